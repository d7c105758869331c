"""What watches a run: it is told of every step, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from gan_cli.errors import InputError
from gan_cli.learner import Learner
from gan_cli.streams import Streams
from gan_cli.types import Round, State, Trace

if TYPE_CHECKING:
    from gan_cli.data.base import Dataset, Sampler, Table
    from gan_cli.metrics.base import Metric

Outcome = Literal["done", "stopped", "failed"]


@dataclass(frozen=True)
class Settings:
    """How often what is done, in generator updates; 0 is never.

    `keep_checkpoints` is how many stay, `keep_best` the number by whose best value one more does.
    """

    log_every: int = 50
    sample_every: int = 500
    checkpoint_every: int = 500
    evaluate_every: int = 500
    keep_checkpoints: int = 3
    keep_best: str | None = None
    watchdog: Literal["warn", "stop", "off"] = "stop"

    @property
    def intervals(self) -> tuple[int, ...]:
        """All of the above that say how often."""
        return (self.log_every, self.sample_every, self.checkpoint_every, self.evaluate_every)


@dataclass(frozen=True)
class Run:
    """What every observer may know: the run's folder, its learner and data, and what it was asked to do.

    `redraw` draws the batches of the round after so many again; None where that cannot be done.
    `start_step` is 0, or the step of the checkpoint that the run goes on from. `config_yaml` is the resolved
    config as text, `config` the same as plain containers. `notes` are lines to be said at the start, such as
    that a checkpoint was torn. `metrics` are what `metric=[…]` adds to each evaluation, by name.
    """

    folder: Path
    learner: Learner
    dataset: Dataset
    data: Table | Sampler
    streams: Streams
    seed: int
    steps: int
    settings: Settings
    device: torch.device
    config_yaml: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    start_step: int = 0
    notes: tuple[str, ...] = ()
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    redraw: Callable[[int], Round] | None = None

    @cached_property
    def unseen(self) -> Table | Sampler | None:
        """The examples that training does not see, read when they are first asked for; None where there are
        none, or none that can be read: a metric that needs them says so in its preflight."""
        held_out = self.dataset.held_out()
        try:
            return None if held_out is None else held_out.load()
        except InputError:
            return None

    def due(self, every: int, step: int) -> bool:
        """Whether something done every `every` steps is due: at its multiples and after the last step."""
        return every > 0 and (step % every == 0 or step == self.steps)


class Observer:
    """Told of a run's steps in order. The empty methods are the identity: override what is needed.

    A step's number is how many updates of the generator are done once it has ended: the first is step 1,
    in `before` as in `after`. An observer reads tensors on the host only at multiples of its own interval.
    A GanTrainError raised in `start`, `before` or `after` ends the run with outcome "failed".
    """

    def start(self, run: Run, state: State) -> None:
        """Before the first step of this process; `state` is that of step `run.start_step`."""

    def before(self, step: int, state: State, batches: Round) -> None:
        """Before step `step` is played from `state` with `batches`."""

    def after(self, step: int, state: State, traces: dict[str, Trace]) -> None:
        """After step `step`, which led to `state` and left `traces`."""

    def finish(self, step: int, state: State, outcome: Outcome) -> None:
        """When the run ends, however it does; `step` is the last that ended, `state` the state after it."""


def finish(observers: Sequence[Observer], step: int, state: State, outcome: Outcome) -> list[Exception]:
    """Tell all observers of the end; the errors of those that fail, which keep no other from its own."""
    errors = []
    for observer in observers:
        try:
            observer.finish(step, state, outcome)
        except Exception as error:  # noqa: BLE001 - the caller raises the first
            errors.append(error)
    return errors
