"""Settings side by side: how many modes of a known mixture each finds, and keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gan_cli.checks import at_least_one, require
from gan_cli.data.base import Distribution
from gan_cli.errors import InputError
from gan_cli.metrics.modes import mode_coverage
from gan_cli.observers import style
from gan_cli.studies import figures
from gan_cli.studies.base import Desk, Runs, train
from gan_cli.studies.report import leave, spread, table
from gan_cli.types import State

Found = dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """The modes covered, the samples' quality and the modes' shares over the training of each variant.

    variants: overrides of the command line's setting by the variant's name; seeds ≥ 1; every ≥ 1 rounds
    `samples` ≥ 1 samples are looked at, as `metrics.modes.mode_coverage` does; picture: the figure's file
    name. Raises ValueError for other numbers and for no variants, InputError for data that are no known
    mixture.
    """

    variants: Mapping[str, Sequence[str]]
    seeds: int = 8
    every: int = 250
    samples: int = 2000
    picture: str = "comparison"

    def __post_init__(self) -> None:
        at_least_one(seeds=self.seeds, every=self.every, samples=self.samples)
        require(len(self.variants) > 0, "variants", "at least one", {})

    def run(self, desk: Desk) -> None:
        """Train all variants, and leave the table and the figure."""
        found = self.trained(desk)
        leave(desk, self.table(found), found, {self.picture: self.figure(found)})

    def trained(self, desk: Desk) -> Found:
        """By variant {"steps", "modes", "quality", "kl": [a number a seed] each; "of": modes there are}."""
        found: Found = {}
        for number, (name, overrides) in enumerate(self.variants.items()):

            def history(overrides: Sequence[str] = overrides) -> Found:
                made = desk.experiment(*overrides)
                law = made.dataset.load()
                if not isinstance(law, Distribution):
                    raise InputError(
                        "study: its data must be a mixture whose modes are known, such as data=ring"
                    )
                seeds = range(made.seed, made.seed + self.seeds)
                return train(made, seeds, self._look, self.every, desk) | {"of": len(law.modes)}

            found[name] = desk.remembered(f"variant_{number}", history)
            desk.say(f"{name}: modes {spread(found[name]['modes'][-1], 1)}")
        return found

    def _look(self, them: Runs, state: State, step: int) -> dict[str, Tensor]:
        law = them.experiment.dataset.load()
        assert isinstance(law, Distribution)
        seen = [
            mode_coverage(x.float().cpu(), law.modes, law.scale, law.weights)
            for x in them.samples(state, self.samples, step=step)
        ]
        return {
            "modes": torch.stack([s.modes_covered for s in seen]),
            "quality": torch.stack([s.high_quality for s in seen]),
            "kl": torch.stack([s.reverse_kl for s in seen]),
        }

    def table(self, found: Found) -> str:
        """The end, the second half as a whole, and the seeds that end with all modes."""
        rows = []
        for name, history in found.items():
            half = len(history["steps"]) // 2
            modes, quality, kl = (
                [list(seed) for seed in zip(*history[k], strict=True)] for k in ("modes", "quality", "kl")
            )
            late = [sum(seed[half:]) / len(seed[half:]) for seed in modes]
            full = sum(seed[-1] == history["of"] for seed in modes)
            ends = [seed[-1] for seed in modes]
            shares = [100 * seed[-1] for seed in quality]
            rows.append([name, spread(ends, 1), spread(late, 1), f"{full}/{len(ends)}", spread(shares, 0)])
            rows[-1].append(spread([seed[-1] for seed in kl], 2))
        header = [
            "",
            "modes at the end",
            "modes, mean of the second half",
            "seeds with all modes",
            "% high quality",
            "KL of the shares",
        ]
        return table(header, rows)

    def figure(self, found: Found) -> bytes:
        """Modes and quality over the rounds."""
        panels, grid = figures.panels(1, 3, 3.6, 2.8)
        for colour, (name, history) in zip(style.COLOURS, found.items(), strict=False):
            figures.curve(grid[0, 0], history["steps"], history["modes"], name, colour)
            figures.curve(grid[0, 1], history["steps"], history["kl"], name, colour)
            figures.curve(grid[0, 2], history["steps"], history["quality"], name, colour)
            grid[0, 0].set_ylim(0, history["of"] * 1.05)
        grid[0, 1].set_ylim(bottom=0)
        grid[0, 2].set_ylim(0, 1.05)
        figures.label(grid[0, 0], "modes covered", x="round")
        figures.label(grid[0, 1], "KL of the shares of the modes, nats", x="round")
        figures.label(grid[0, 2], "share of samples of high quality", x="round")
        figures.legend(panels, grid[0, 0], 3)
        return style.png(panels).png
