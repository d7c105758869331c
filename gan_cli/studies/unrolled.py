"""What unrolling does on a mixture: modes covered and quality for several steps of looking ahead."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tensorboard.compat.proto.summary_pb2 import Summary
from torch import Tensor

from gan_cli.build import Experiment
from gan_cli.checks import at_least_one, nonnegative, require
from gan_cli.data.base import Distribution
from gan_cli.errors import InputError
from gan_cli.metrics.modes import mode_coverage
from gan_cli.observers.events import EventFile
from gan_cli.observers.recorder import Picture
from gan_cli.studies import ahead_figure
from gan_cli.studies.base import Desk, Measure, Runs, train
from gan_cli.studies.report import leave, spread, table
from gan_cli.types import GameState

Array = NDArray[np.floating]
HEADER = (
    "K", "seeds", "modes at the end", "modes, last quarter", "% high quality at the end",
    "% high quality, last quarter", "reverse KL, last quarter", "all modes first at step",
    "% of samples in the largest mode", "times that most samples change their mode", "CPU min",
)  # fmt: skip


@dataclass(frozen=True)
class Unrolled:
    """Modes covered and share of high quality over training for several steps of unrolling, over seeds.

    Every `measure_every` rounds each run draws `samples` points. A mode is covered where one of them lies
    within three of its standard deviations, and is the largest where most of them are nearest to it. The
    figure shows the first seed at `columns` moments. The setting needs trick=[unrolled]. All counts ≥ 1;
    steps_ahead are one or more different numbers ≥ 0; else ValueError.

    Source: Metz et al., Unrolled Generative Adversarial Networks (2017), section 3.1; measures as in
    Srivastava et al., VEEGAN (2017), section 4.1.
    """

    seeds: int = 8
    steps_ahead: Sequence[int] = (0, 1, 5, 10)
    measure_every: int = 100
    samples: int = 2500
    columns: int = 6

    def __post_init__(self) -> None:
        at_least_one(
            seeds=self.seeds, measure_every=self.measure_every, samples=self.samples, columns=self.columns
        )
        require(len(self.steps_ahead) > 0, "steps_ahead", "at least one number of moves", [])
        for steps in self.steps_ahead:
            nonnegative(steps_ahead=steps)
        different = len(set(self.steps_ahead)) == len(self.steps_ahead)
        require(different, "steps_ahead", "all different", list(self.steps_ahead))

    def run(self, desk: Desk) -> None:
        """Train every setting, and leave the table, the figure and the curves for TensorBoard."""
        found = {}
        for ahead in self.steps_ahead:
            found[ahead] = desk.remembered(f"ahead_{ahead}", partial(self._trained, ahead, desk))
        law = _law(self._setting(self.steps_ahead[0], desk))
        picture = ahead_figure.drawn(found, law)
        _to_tensorboard(desk, found, picture)
        rows = [[str(ahead), *_row(one)] for ahead, one in found.items()]
        leave(desk, table(HEADER, rows), {str(k): v for k, v in found.items()}, {"unrolled": picture.png})

    def _setting(self, ahead: int, desk: Desk) -> Experiment:
        return desk.experiment(f"trick.unrolled.steps={ahead}")

    def _trained(self, ahead: int, desk: Desk) -> dict[str, Any]:
        made = self._setting(ahead, desk)
        shown = self._moments(made.steps)
        clouds: dict[int, list[list[float]]] = {}
        wall, cpu = time.perf_counter(), _cpu()
        measure = self._measure(ahead, _law(made), shown, clouds, desk)
        history = train(made, range(made.seed, made.seed + self.seeds), measure, self.measure_every, desk)
        return {
            **history,
            "shown": [{"step": step, "samples": clouds[step]} for step in shown],
            "all_modes": len(_law(made).modes),
            "minutes": (time.perf_counter() - wall) / 60,
            "cpu_minutes": (_cpu() - cpu) / 60,
        }

    def _moments(self, steps: int) -> list[int]:
        """When the figure looks: up to `columns` steps of measurement, evenly spread, and the end."""
        every = self.measure_every
        wanted = [steps * (n + 1) // self.columns for n in range(self.columns)]
        return sorted({steps if step == steps else step // every * every for step in wanted})

    def _measure(
        self, ahead: int, law: Distribution, shown: Sequence[int], clouds: dict[int, Any], desk: Desk
    ) -> Measure:
        def measure(runs: Runs, state: GameState, step: int) -> dict[str, Tensor]:
            points = runs.samples(state, self.samples, "study", step).float()
            law_there = law.to(points.device)
            found = [_measured(cloud, law_there) for cloud in points]
            together = {name: torch.stack([one[name] for one in found]) for name in found[0]}
            if step in shown:
                clouds[step] = [[round(v, 3) for v in point] for point in points[0].tolist()]
                modes, quality = (float(together[name].double().mean()) for name in ("modes", "quality"))
                desk.say(f"K={ahead}, step {step:,}: {modes:.1f} modes, {quality:.0%} of high quality")
            return together

        return measure


def _measured(points: Tensor, law: Distribution) -> dict[str, Tensor]:
    """One run's measures of its points [N, 2], each [] but the shares of the points by mode, [M]."""
    covered = mode_coverage(points, law.modes, law.scale, law.weights)
    nearest = (points[:, None] - law.modes).square().sum(-1).argmin(1)
    return {
        "modes": covered.modes_covered,
        "quality": covered.high_quality,
        "reverse_kl": covered.reverse_kl,
        "shares": torch.bincount(nearest, minlength=len(law.modes)) / len(points),
    }


def _law(made: Experiment) -> Distribution:
    """The mixture that the study is of. Raises InputError for data without known modes in the plane."""
    if made.dataset.kind != "points" or made.dataset.shape != (2,):
        raise InputError("study=unrolled_*: it needs a mixture in the plane, such as data=ring or data=grid")
    law = made.dataset.load()
    if not isinstance(law, Distribution):
        raise InputError(
            "study=unrolled_*: it needs a mixture of known modes, such as data=ring or data=grid"
        )
    return law


def _cpu() -> float:
    """Seconds that all cores together gave this process and the compilers that it waited for."""
    return sum(os.times()[:4])


def _row(found: dict[str, Any]) -> list[str]:
    """What the table says of one setting."""
    steps, seeds = found["steps"], len(found["modes"][0])
    last = [number for number, step in enumerate(steps) if step >= 0.75 * steps[-1]]

    def late(name: str, scale: float = 1.0) -> list[float]:
        """Each seed's mean over the measurements of the last quarter; of shares, the largest one's."""
        values = np.asarray(found[name], dtype=float)[last]
        means: list[float] = (scale * (values.max(-1) if values.ndim == 3 else values).mean(0)).tolist()
        return means

    whole = np.asarray(found["modes"]) == found["all_modes"]
    reached = [steps[int(number)] for number, ever in zip(whole.argmax(0), whole.any(0), strict=True) if ever]
    median = f"{statistics.median_low(reached):,}" if reached else "never"
    return [
        str(seeds),
        spread([float(m) for m in found["modes"][-1]], 1),
        spread(late("modes"), 1),
        spread([100 * q for q in found["quality"][-1]], 1),
        spread(late("quality", 100), 1),
        spread(late("reverse_kl"), 3),
        f"{median} ({len(reached)}/{seeds})",
        spread(late("shares", 100), 0),
        f"{spread(_moves(np.asarray(found['shares'])), 0)} of {len(steps) - 1}",
        f"{found['cpu_minutes']:.1f}",
    ]


def _moves(shares: Array) -> list[float]:
    """How often the mode that holds more than half of a seed's samples became another: [T, S, M] -> [S]."""
    held = [
        [int(row.argmax()) for row in shares[:, seed] if row.max() > 0.5] for seed in range(shares.shape[1])
    ]
    return [float(sum(a != b for a, b in pairwise(one))) for one in held]


def _to_tensorboard(desk: Desk, found: dict[int, dict[str, Any]], picture: Picture) -> None:
    """The curves' means over seeds, one run of TensorBoard a setting, and the figure."""
    for ahead, one in found.items():
        file = EventFile(desk.folder / "tensorboard" / f"K={ahead}", last_step=-1)
        for number, step in enumerate(one["steps"]):
            names = {"modes_covered": "modes", "high_quality": "quality", "reverse_kl": "reverse_kl"}
            means = {f"evaluation/{tag}": statistics.fmean(one[name][number]) for tag, name in names.items()}
            file.add(step, Summary(value=[Summary.Value(tag=t, simple_value=v) for t, v in means.items()]))
        file.close()
    file = EventFile(desk.folder / "tensorboard" / "figure", last_step=-1)
    image = Summary.Image(
        encoded_image_string=picture.png, width=picture.width, height=picture.height, colorspace=3
    )
    file.add(0, Summary(value=[Summary.Value(tag="unrolled", image=image)]))
    file.close()
