"""What a study is, and how one trains many seeds of a setting side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from gan_cli.build import Experiment
from gan_cli.data.feed import Feed
from gan_cli.ensemble import Ensemble
from gan_cli.errors import RunError
from gan_cli.files import write_atomic
from gan_cli.game import Game
from gan_cli.learner import Source
from gan_cli.runtime import compiles
from gan_cli.streams import Streams
from gan_cli.types import State

Measure = Callable[["Runs", State, int], dict[str, Tensor]]
"""(runs, stacked state, step) -> numbers by name, each [S]."""


@dataclass(frozen=True)
class Desk:
    """What a study works with.

    folder: where its results go; experiment: the setting of the command line under further overrides, such
    as ("loss=fgan_js", "trick.unrolled.steps=5"); say: prints one line of progress; stop: whether a signal
    asked it to end.
    """

    folder: Path
    experiment: Callable[..., Experiment]
    say: Callable[[str], None] = lambda _: None
    stop: Callable[[], bool] = lambda: False

    def go_on(self) -> None:
        """Raise RunError where a signal asked the study to end."""
        if self.stop():
            raise RunError("stopped before the end; run it again with resume=… to go on")

    def remembered(self, name: str, compute: Callable[[], Any]) -> Any:
        """compute(), or what it gave when the study was here before: results/<name>.json, plain values."""
        file = self.folder / "results" / f"{name}.json"
        if file.is_file():
            return json.loads(file.read_text())
        found = compute()
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, json.dumps(found))
        return found


@runtime_checkable
class Study(Protocol):
    """An experiment of several runs. Its dataclass fields are the keys of its yaml."""

    def run(self, desk: Desk) -> None:
        """Do it all, and leave table.md, results.json and the pictures in the desk's folder.

        Parts that are done are remembered, so that an interrupted study goes on where it was.
        """
        ...


@dataclass(frozen=True)
class Runs:
    """The runs of one setting: their ensemble, seeds, feeds and streams."""

    experiment: Experiment
    ensemble: Ensemble[Game]
    seeds: Sequence[int]
    feeds: Sequence[Source]
    streams: Sequence[Streams]

    def latents(self, n: int, purpose: str, step: int) -> Tensor:
        """n latents for each run, a function of its seed, the purpose and the step: [S, n, Z]."""
        draw = self.ensemble.game.latents
        return torch.stack([draw(s.at(purpose, step), n) for s in self.streams])

    def samples(self, state: State, n: int, purpose: str = "study", step: int = 0) -> Tensor:
        """n fresh samples of each run in evaluation mode, [S, n, …]."""
        return self.ensemble.sample(state, self.latents(n, purpose, step))


@contextmanager
def runs(experiment: Experiment, seeds: Sequence[int]) -> Iterator[Runs]:
    """The runs of an experiment with these seeds, for the length of the block."""
    device, game = experiment.device, experiment.game
    compiled = compiles(game, experiment.runtime["compile"], experiment.steps)
    streams = [Streams(seed, device) for seed in seeds]
    with ExitStack() as stack:
        feeds = [
            stack.enter_context(Feed(experiment.dataset, game.batch_size, s, device, experiment.resident_mb))
            for s in streams
        ]
        yield Runs(experiment, Ensemble(game, compiled), seeds, feeds, streams)


def rounds(them: Runs, state: State, first: int, until: int, desk: Desk) -> Iterator[State]:
    """The stacked states after each of the rounds first … until − 1. Raises RunError where it was stopped."""
    for step in range(first, until):
        desk.go_on()
        state, _ = them.ensemble.play(state, them.ensemble.draw(step, them.feeds, them.streams))
        yield state


def train(
    experiment: Experiment, seeds: Sequence[int], measure: Measure, every: int, desk: Desk
) -> dict[str, Any]:
    """Train all seeds side by side and measure them at step 0, every `every` steps, and at the end.

    Returns {"steps": [..], "<name>": [[a number a seed] a step]}. Raises RunError where it was stopped.
    """
    history: dict[str, list[Any]] = {"steps": []}
    with runs(experiment, seeds) as them:
        start = them.ensemble.init(seeds, experiment.device)
        for step, state in enumerate(chain([start], rounds(them, start, 0, experiment.steps, desk))):
            if step % every == 0 or step == experiment.steps:
                history["steps"].append(step)
                for name, values in measure(them, state, step).items():
                    history.setdefault(name, []).append(values.tolist())
    return history
