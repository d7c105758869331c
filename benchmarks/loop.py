"""Steps per second of gan-train's loop against a plain PyTorch loop, side by side.

    python -m benchmarks.loop                       every row
    python -m benchmarks.loop --rows ring           one case
    python -m benchmarks.loop runtime.compile=on    gan-train with other settings

Both train the same network classes on the same data with the same batch size, loss and Adam. They take turns
in short blocks within one process, so that what else the machine does hits both; a ratio is that of one block
of ours and the plain block right after it, and the table shows the median over the blocks and the range.
"""

from __future__ import annotations

import argparse
import copy
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.plain import AdamSettings, PlainLoop
from gan_cli.build import Experiment
from gan_cli.cli.compose import plan
from gan_cli.cli.job import experiment
from gan_cli.cli.request import parse
from gan_cli.data.base import Dataset, Sampler
from gan_cli.data.feed import Feed
from gan_cli.errors import InputError
from gan_cli.loop import train
from gan_cli.observers.base import Observer, Run
from gan_cli.observers.defaults import default_observers
from gan_cli.run import described
from gan_cli.streams import Streams
from gan_cli.types import State, Trace

CASES = {
    "ring": ["data=ring", "model=mlp"],
    "mnist": ["data=mnist", "data.download=false", "model=dcgan"],
}
STAND_IN = ["data=fake", "data.size=28", "data.count=60000", "model=dcgan"]
POINTS = 100_000  # how many points of a distribution the plain loop's data set holds


class Turns(Observer):
    """Times our loop in blocks of `block` steps, and lets the plain loop do as many after each.

    It stands last among the observers, so that their work counts as ours.
    """

    def __init__(self, plain: PlainLoop, block: int, device: torch.device):
        self.plain, self.block, self.device = plain, block, device
        self.seconds: list[tuple[float, float]] = []

    def start(self, run: Run, state: State) -> None:
        self._since = now(self.device)

    def after(self, step: int, state: State, traces: dict[str, Trace]) -> None:
        if step % self.block:
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

    def __str__(self) -> str:
        ours, plain = (statistics.median(times) / self.block for times in zip(*self.seconds, strict=True))
        ratios = [b / a for a, b in self.seconds]
        spread = f"{min(ratios):.2f}–{max(ratios):.2f}, {len(ratios)} × {self.block} steps"
        cells = [self.case, self.device, "on" if self.watched else "off", str(self.batch_size)]
        cells += [f"{1 / ours:,.1f}", f"{1 / plain:,.1f}"]
        cells += [f"{self.batch_size / ours:,.0f}", f"{self.batch_size / plain:,.0f}"]
        cells += [f"**{statistics.median(ratios):.2f}**", spread]
        return f"| {' | '.join(cells)} |"


HEAD = (
    "| case | device | observers | batch | steps/s | plain | images/s | plain | ratio | range |",
    "|---|---|---|--:|--:|--:|--:|--:|--:|---|",
)


def now(device: torch.device) -> float:
    """Seconds on a clock, once the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def composed(overrides: Iterable[str]) -> Experiment:
    """The experiment of a command line's overrides."""
    built: Experiment = experiment(plan(parse([*overrides, "loss=gan_ns"])).jobs[0].config)
    return built


def prepared(case: str, device: str, more: Sequence[str]) -> tuple[str, Experiment]:
    """The case's name and experiment; noise of the same size stands in for images that are not there."""
    built = composed([*CASES[case], f"device={device}", *more])
    try:
        built.dataset.preflight()
    except InputError:
        print(
            f"{case} is not there (set GAN_DATA): uniform noise of the same size stands in for it", flush=True
        )
        return f"{case}-sized noise", composed([*STAND_IN, f"device={device}", *more])
    return case, built


def tensor_of(dataset: Dataset) -> Tensor:
    """All examples as the critic sees them, [N, …], on the CPU."""
    data = dataset.load()
    if isinstance(data, Sampler):
        return data.sample(torch.Generator().manual_seed(0), POINTS)
    return dataset.prepare(torch.as_tensor(data.images))


def opponent(built: Experiment) -> PlainLoop:
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
    )


def measured(case: str, built: Experiment, watched: bool, blocks: int, seconds: float) -> Row:
    """Both loops in turns. With observers on, a block is long enough for each to have had its turn.

    Without them a first block, which is not counted, warms up.
    """
    plain = opponent(built)
    block = steps_in(seconds, plain, built.device)
    warm_up = 0 if watched else 1
    if watched:
        s = built.settings
        longest = max(s.log_every, s.sample_every, s.checkpoint_every, s.evaluate_every, 1)
        block = -(-block // longest) * longest
    turns = Turns(plain, block, built.device)
    streams = Streams(built.seed, built.device)
    feed = Feed(built.dataset, built.game.batch_size, streams, built.device)
    with tempfile.TemporaryDirectory() as folder:
        run = replace(described(built, Path(folder), feed.data), steps=block * (blocks + warm_up))
        observers = [*default_observers(run), turns] if watched else [turns]
        state = built.game.init(built.seed, built.device)
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            train(built.game, feed, state, run, observers)
    feed.close()
    return Row(case, built.device.type, watched, built.game.batch_size, block, turns.seconds[warm_up:])


def steps_in(seconds: float, plain: PlainLoop, device: torch.device) -> int:
    """How many steps the plain loop does in about that time, at least 5."""
    plain.run(5)
    start, steps = now(device), 0
    while now(device) - start < min(1.0, seconds):
        plain.run(5)
        steps += 5
    return max(5, round(seconds * steps / (now(device) - start)))


def machine() -> str:
    """The processor, cores, GPU and versions that the numbers belong to."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    cpu = names[0] if names else platform.processor() or platform.machine()
    parts = [f"{cpu}, {len(os.sched_getaffinity(0))} cores, {torch.get_num_threads()} threads"]
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    return "; ".join([*parts, f"PyTorch {torch.__version__}, Python {platform.python_version()}"])


def parser(name: str, doc: str, blocks: int, seconds: float) -> argparse.ArgumentParser:
    """What the benchmarks of whole rounds are asked alike."""
    asked = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=doc.splitlines()[0])
    asked.add_argument("--rows", nargs="+", choices=list(CASES), default=list(CASES))
    asked.add_argument("--blocks", type=int, default=blocks, help=f"timed turns (default {blocks})")
    asked.add_argument(
        "--seconds", type=float, default=seconds, help=f"length of a block, about (default {seconds:g})"
    )
    asked.add_argument("overrides", nargs="*", metavar="key=value", help="settings of gan-train")
    return asked


def begun(chosen: argparse.Namespace, head: Sequence[str]) -> list[tuple[str, Experiment]]:
    """The asked cases on each device that is there, after the table's head."""
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    cases = [prepared(case, device, chosen.overrides) for device in devices for case in chosen.rows]
    print(f"\n{machine()}\n\n" + "\n".join(head), flush=True)
    return cases


def main() -> None:
    """Print the table."""
    asked = parser("loop", str(__doc__), blocks=9, seconds=2.0)
    asked.add_argument("--observers", choices=["off", "on", "both"], default="both")
    chosen = asked.parse_intermixed_args()
    for name, built in begun(chosen, HEAD):
        for watched in {"off": [False], "on": [True], "both": [False, True]}[chosen.observers]:
            blocks = min(chosen.blocks, 3) if watched else chosen.blocks
            print(measured(name, built, watched, blocks, chosen.seconds), flush=True)


if __name__ == "__main__":
    main()
