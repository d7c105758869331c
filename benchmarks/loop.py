"""Steps per second of gan-train's loop against a plain PyTorch loop, side by side.

    python -m benchmarks.loop                       every row
    python -m benchmarks.loop --rows ring           one case
    python -m benchmarks.loop runtime.compile=on    gan-train with other settings
    python -m benchmarks.loop --opponent tuned      the plain loop with bf16, channels-last and the fused Adam

Both train the same network classes on the same data with the same batch size, loss and Adam. They take turns
in short blocks within one process, so that what else the machine does hits both; a ratio is that of one block
of ours and the plain block right after it, and the table shows the median over the blocks and the range.
"""

from __future__ import annotations

import copy
import os
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.common import begun, now, parser
from benchmarks.plain import AdamSettings, PlainLoop
from gan_cli.build import Experiment
from gan_cli.data.base import Dataset, Sampler
from gan_cli.data.feed import Feed
from gan_cli.loop import train
from gan_cli.observers.base import Observer, Run
from gan_cli.observers.defaults import default_observers
from gan_cli.run import described
from gan_cli.runtime import prepare
from gan_cli.streams import Streams
from gan_cli.types import State, Trace

POINTS = 100_000  # how many points of a distribution the plain loop's data set holds


class Turns(Observer):
    """Times our loop in blocks of `block` steps, and lets the plain loop do as many after each.

    It stands last among the observers, so that their work counts as ours.
    """

    def __init__(self, plain: PlainLoop, block: int, device: torch.device):
        self.plain, self.block, self.device = plain, block, device
        self.offset = block // 2  # what a run does in the background at a multiple ends within the same block
        self.seconds: list[tuple[float, float]] = []

    def start(self, run: Run, state: State) -> None:
        self._since = now(self.device)

    def after(self, step: int, state: State, traces: dict[str, Trace]) -> None:
        if (step - self.offset) % self.block:
            return
        between = now(self.device)
        self.plain.run(self.block)
        end = now(self.device)
        self.seconds.append((between - self._since, end - between))
        self._since = now(self.device)


@dataclass(frozen=True)
class Row:
    """One line of the table: per block the seconds of ours and of the plain loop."""

    case: str
    device: str
    watched: bool
    batch_size: int
    block: int
    seconds: Sequence[tuple[float, float]]

    @property
    def ratio(self) -> float:
        """How many times as fast ours is: the median over the blocks."""
        return statistics.median(b / a for a, b in self.seconds)

    def __str__(self) -> str:
        ours, plain = (statistics.median(times) / self.block for times in zip(*self.seconds, strict=True))
        ratios = [b / a for a, b in self.seconds]
        spread = f"{min(ratios):.2f}–{max(ratios):.2f}, {len(ratios)} × {self.block} steps"
        cells = [self.case, self.device, "on" if self.watched else "off", str(self.batch_size)]
        cells += [f"{1 / ours:,.1f}", f"{1 / plain:,.1f}"]
        cells += [f"{self.batch_size / ours:,.0f}", f"{self.batch_size / plain:,.0f}"]
        cells += [f"**{self.ratio:.2f}**", spread]
        return f"| {' | '.join(cells)} |"


HEAD = (
    "| case | device | observers | batch | steps/s | plain | images/s | plain | ratio | range |",
    "|---|---|---|--:|--:|--:|--:|--:|--:|---|",
)


def tensor_of(dataset: Dataset) -> Tensor:
    """All examples as the critic sees them, [N, …], on the CPU."""
    data = dataset.load()
    if isinstance(data, Sampler):
        return data.sample(torch.Generator().manual_seed(0), POINTS)
    return dataset.prepare(torch.as_tensor(data.images))


def opponent(built: Experiment, tuned: bool = False) -> PlainLoop:
    """The plain loop on the experiment's networks, data and settings."""
    game, optimizer = built.game, built.config["optimizer"]

    def adam(settings: dict[str, Any]) -> AdamSettings:
        return AdamSettings(settings["lr"], (settings["betas"][0], settings["betas"][1]))

    return PlainLoop(
        generator=copy.deepcopy(game.generator.network.module),
        critic=copy.deepcopy(game.critic.network.module),
        data=tensor_of(built.dataset),
        latent=game.prior.size,
        prior=game.prior.kind,
        batch_size=game.batch_size,
        adam=(adam(optimizer["generator"]), adam(optimizer["critic"])),
        device=built.device,
        tuned=tuned,
        unroll=game.unroll,
    )


def measured(
    case: str, built: Experiment, watched: bool, blocks: int, seconds: float, tuned: bool = False
) -> Row:
    """Both loops in turns, after half a block that warms up. With observers on, a block is long enough for
    each of them to have had its turn.
    """
    prepare(built.runtime, built.device)
    plain = opponent(built, tuned)
    block = steps_in(seconds, plain, built.device)
    if watched:
        s = built.settings
        longest = max(s.log_every, s.sample_every, s.checkpoint_every, s.evaluate_every, 1)
        block = -(-block // longest) * longest
    turns = Turns(plain, block, built.device)
    streams = Streams(built.seed, built.device)
    feed = Feed(built.dataset, built.game.batch_size, streams, built.device)
    with tempfile.TemporaryDirectory() as folder:
        run = replace(described(built, Path(folder), feed.data), steps=block * blocks + block // 2)
        observers = [*default_observers(run), turns] if watched else [turns]
        state = built.learner.init(built.seed, built.device)
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            train(built.learner, feed, state, run, observers)
    feed.close()
    return Row(case, built.device.type, watched, built.game.batch_size, block, turns.seconds[1:])


def steps_in(seconds: float, plain: PlainLoop, device: torch.device) -> int:
    """How many steps the plain loop does in about that time, at least 5."""
    plain.run(5)
    start, steps = now(device), 0
    while now(device) - start < min(1.0, seconds):
        plain.run(5)
        steps += 5
    return max(5, round(seconds * steps / (now(device) - start)))


def main() -> None:
    """Print the table."""
    asked = parser("loop", str(__doc__), blocks=9, seconds=2.0)
    asked.add_argument("--observers", choices=["off", "on", "both"], default="both")
    asked.add_argument("--opponent", choices=["plain", "tuned"], default="plain")
    chosen = asked.parse_intermixed_args()
    for name, built in begun(chosen, HEAD):
        for watched in {"off": [False], "on": [True], "both": [False, True]}[chosen.observers]:
            blocks = min(chosen.blocks, 3) if watched else chosen.blocks
            row = measured(name, built, watched, blocks, chosen.seconds, chosen.opponent == "tuned")
            print(row, flush=True)


if __name__ == "__main__":
    main()
