"""What watching and keeping a run costs: pictures, evaluations, checkpoints and numbers at their defaults.

    python -m benchmarks.observers                    ring and MNIST
    python -m benchmarks.observers --rows ring        one case
    python -m benchmarks.observers --steady 20000     memory and rate over so many rounds of the ring

The same rounds are played with the observers and without, in blocks of 100 within one process; the pictures,
the evaluation and the checkpoint fall early into a block. The first table holds what turns of one interval
between pictures took, the second each part of it: milliseconds of processor time that a call takes in the
training's thread and in the writer's, at steps where something is due and at others, and the share of a turn
that the training's thread spends on it.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.common import begun, now, parser, prepared, quiet
from gan_cli.build import Experiment
from gan_cli.data.feed import Feed
from gan_cli.loop import train
from gan_cli.observers.background import Background
from gan_cli.observers.base import Observer, Run
from gan_cli.observers.defaults import default_observers
from gan_cli.run import described
from gan_cli.streams import Streams
from gan_cli.types import State, Trace

HEAD = (
    "| case | device | turns | steps/s on | off | cost of observers | range | processor time in training |",
    "|---|---|--:|--:|--:|--:|---|--:|",
)
PARTS = (
    "| case | part | every | ms in training | ms in writer | share of training |",
    "|---|---|--:|--:|--:|--:|",
)
BLOCK = 100
PAGE = os.sysconf("SC_PAGE_SIZE")


OWN = statistics.median(-time.thread_time() + time.thread_time() for _ in range(1000))
"""Seconds that reading the clock takes."""


@dataclass
class Clock:
    """Processor seconds by part, one entry a call that did something."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def timed(self, name: str, call: Callable[..., Any], every: int) -> Callable[..., Any]:
        """The call with a step before all else; its time in its own thread is kept, apart for steps at which
        nothing is due."""

        def called(step: int, *arguments: Any) -> Any:
            begin = time.thread_time()
            try:
                return call(step, *arguments)
            finally:
                took = time.thread_time() - begin - OWN
                self.seconds[f"{name}: {every if step % every == 0 else 1}"].append(took)

        return called


class Watched:
    """A run's observers under a clock, and its state between turns."""

    def __init__(self, built: Experiment, feed: Feed, folder: Path):
        self.game, self.feed, self.clock = built.learner, feed, Clock()
        self.period = built.settings.sample_every
        self.run: Run = replace(
            described(built, folder, feed.data),
            steps=10**9,
            redraw=lambda step: self.game.draw(step, feed, self.run.streams),
        )
        self.observers = default_observers(self.run)
        (self.background,) = (one for one in self.observers if isinstance(one, Background))
        self.state = self.game.init(built.seed, built.device)
        self.step = 0
        for observer in self.observers:
            observer.start(self.run, self.state)
        self._parts()

    def _parts(self) -> None:
        inner, log = self.background, self.run.settings.log_every
        told = [("training", one, log) for one in self.observers]
        told += [("writer", one, self.period) for one in (*inner._first, *inner._then)]
        for thread, observer, every in told:
            timed = self.clock.timed(f"{thread}: {type(observer).__name__}", observer.after, every)
            observer.after = timed  # type: ignore[method-assign]
        written = self.clock.timed("writer: Recorder", inner._recorder.write, log)
        inner._recorder.write = written  # type: ignore[method-assign]

    def play(self, count: int, watched: bool) -> tuple[float, float]:
        """Play so many rounds; the seconds that they took, without what is left to write at their end, and
        those of the processor in this thread."""
        begin, processor = now(self.run.device), time.thread_time()
        for _ in range(count):
            batches = self.game.draw(self.step, self.feed, self.run.streams)
            if watched:
                for observer in self.observers:
                    observer.before(self.step + 1, self.state, batches)
            state, traces = self.game.play(self.state, batches)
            self.step, self.state = self.step + 1, state
            if watched:
                time.thread_time()  # whose first call after a round takes longer than an empty observer's
                for observer in self.observers:
                    observer.after(self.step, state, traces)
        took = now(self.run.device) - begin, time.thread_time() - processor
        self.background._writer.settle()
        return took


def turn(watched: Watched) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """An interval's rounds with and without observers, block by block: (wall, processor) seconds of each."""
    on, off = [], []
    for _ in range(watched.period // BLOCK):
        off.append(watched.play(BLOCK, watched=False))
        watched.step -= BLOCK
        on.append(watched.play(BLOCK, watched=True))
    return tuple(map(sum, zip(*on, strict=True))), tuple(map(sum, zip(*off, strict=True)))


def measured(case: str, built: Experiment, turns: int) -> tuple[str, list[str]]:
    """Both tables' rows of a case."""
    streams = Streams(built.seed, built.device)
    with (
        tempfile.TemporaryDirectory() as folder,
        Feed(built.dataset, built.learner.batch_size, streams, built.device) as feed,
        quiet(),
    ):
        watched = Watched(built, feed, Path(folder))
        watched.play(BLOCK - 5, watched=True)  # so that what is due falls early into a block
        watched.clock.seconds.clear()
        pairs = [turn(watched) for _ in range(turns)]
        for observer in watched.observers:
            observer.finish(watched.step, watched.state, "stopped")
    walls, processors = ([(on[k], off[k]) for on, off in pairs] for k in (0, 1))
    costs = [on / off - 1 for on, off in walls]
    on, off = (watched.period / statistics.median(times) for times in zip(*walls, strict=True))
    cells = [case, built.device.type, str(turns), f"{on:,.1f}", f"{off:,.1f}"]
    cells += [f"**{statistics.median(costs):.1%}**", f"{min(costs):.1%} to {max(costs):.1%}"]
    cells.append(f"{statistics.median(on / off - 1 for on, off in processors):.1%}")
    seconds = statistics.median(off for _, off in processors)
    return f"| {' | '.join(cells)} |", list(parts(case, watched, seconds))


def parts(case: str, watched: Watched, seconds: float) -> Iterator[str]:
    """A line a part: the median of its calls, and their share of a turn, which takes so many seconds."""
    whole = 0.0
    for name, took in watched.clock.seconds.items():
        thread, part, every = name.split(": ")
        call = max(statistics.median(took), 0.0)
        share = call * watched.period / int(every) / seconds
        whole += share if thread == "training" else 0
        cells = [
            case,
            part,
            every,
            *([f"{1e3 * call:.3f}", ""] if thread == "training" else ["", f"{1e3 * call:.3f}"]),
        ]
        yield f"| {' | '.join([*cells, f'{share:.2%}' if thread == 'training' else ''])} |"
    yield f"| {case} | all |  |  |  | **{whole:.2%}** |"


# --- memory and rate over a long run -----------------------------------------------------------------------


class Gauge(Observer):
    """Notes the resident memory and the processor time of the training's thread, `points` times."""

    def __init__(self, steps: int, points: int = 40) -> None:
        self._every = steps // points
        self.memory: list[float] = []
        self.seconds: list[float] = []

    def start(self, run: Run, state: State) -> None:
        self._since = time.thread_time()

    def after(self, step: int, state: State, traces: dict[str, Trace]) -> None:
        if step % self._every == 0:
            then, self._since = self._since, time.thread_time()
            self.memory.append(resident())
            self.seconds.append((self._since - then) / self._every)


def resident() -> float:
    """MiB of this process that lie in memory (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 2**20


def steady(built: Experiment, steps: int) -> Gauge:
    """Train so many steps with all observers, gauged."""
    gauge = Gauge(steps)
    streams = Streams(built.seed, built.device)
    with (
        tempfile.TemporaryDirectory() as folder,
        Feed(built.dataset, built.learner.batch_size, streams, built.device) as feed,
        quiet(),
    ):
        run = replace(described(built, Path(folder), feed.data), steps=steps)
        state = built.learner.init(built.seed, built.device)
        train(built.learner, feed, state, run, [*default_observers(run), gauge])
    return gauge


def quarters(values: list[float]) -> list[float]:
    """The median of each quarter."""
    size = len(values) // 4
    return [statistics.median(values[k * size : (k + 1) * size]) for k in range(4)]


def main() -> None:
    """Print the tables."""
    asked = parser("observers", str(__doc__), blocks=9, seconds=0)
    asked.add_argument("--steady", type=int, default=0, metavar="STEPS", help="a long run instead")
    chosen = asked.parse_intermixed_args()
    if chosen.steady:
        name, built = prepared(chosen.rows[0], "cpu", chosen.overrides)
        gauge = steady(built, chosen.steady)
        memory = ", ".join(f"{value:.1f}" for value in quarters(gauge.memory))
        rates = ", ".join(f"{1 / value:.1f}" for value in quarters(gauge.seconds))
        print(f"{name}, {chosen.steady} steps, by quarters: resident {memory} MiB")
        print(f"steps a second of processor time: {rates}")
        return
    lines: list[str] = []
    for name, built in begun(chosen, HEAD):
        row, more = measured(name, built, chosen.blocks)
        print(row, flush=True)
        lines += more
    print("\n".join(["", *PARTS, *lines]))


if __name__ == "__main__":
    main()
