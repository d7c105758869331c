"""One reading of the device a logged step, handed to every place that keeps it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from gan_cli.observers.base import Observer, Outcome, Run
from gan_cli.types import State, Trace

Scalars = Mapping[str, float]
RATES = ("steps/s", "images/s")


@dataclass(frozen=True)
class Picture:
    """An encoded PNG and its size in pixels."""

    png: bytes
    width: int
    height: int


class Reading(NamedTuple):
    """A step's scalars, still on the device, and the rates up to it."""

    values: Mapping[str, Tensor]
    rates: Scalars


class Sink:
    """A place that keeps what is measured, across the processes of a run."""

    def open(self, run: Run) -> Scalars:
        """Make ready in `run.folder`, and cut what is later than step `run.start_step` from what is there.

        Returns the last value of each scalar that is left, if the sink can tell.
        """
        return {}

    def scalars(self, step: int, values: Scalars) -> None:
        """Keep the values of one step; called once a step at most, in order."""

    def picture(self, name: str, step: int | None, picture: Picture) -> None:
        """Keep a picture; `step` None is one that holds for the whole run."""

    def sync(self) -> None:
        """Bring all that was kept to the disk: a checkpoint follows."""

    def close(self, outcome: Outcome) -> None:
        """The run has ended."""


class Recorder(Observer):
    """Reads a round's scalars to the host every `log_every` steps and hands them to the sinks.

    Others add theirs for the same step by `add` (before this observer's turn) and `picture`. `latest` holds
    the last value of every scalar, of earlier processes of the run too.
    """

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)
        self._pending: dict[str, float] = {}
        self.latest: dict[str, float] = {}

    def start(self, run: Run, state: State) -> None:
        self._run = run
        self._batch_size = int(run.config.get("batch_size", 0))
        for sink in self._sinks:
            self.latest |= sink.open(run)
        self._mark, self._aside = (run.start_step, time.monotonic()), 0.0

    def after(self, step: int, state: State, traces: dict[str, Trace]) -> None:
        due = self._run.due(self._run.settings.log_every, step)
        self.write(step, self.read(step, traces) if due else None)

    def read(self, step: int, traces: dict[str, Trace]) -> Reading:
        """What is to be logged of a step, in the thread of the training; the host does not wait for it."""
        return Reading(self._run.learner.measure(traces), self._rates(step))

    def write(self, step: int, reading: Reading | None) -> None:
        """Hand the sinks what was read, if anything was, and what others have added for this step."""
        values = {} if reading is None else {**to_host(reading.values), **reading.rates}
        if values or self._pending:
            values |= self._pending
            self._pending = {}
            self.latest |= values
            for sink in self._sinks:
                sink.scalars(step, values)

    def add(self, values: Scalars) -> None:
        """Have these written with the step that is under way."""
        self._pending |= values

    def picture(self, name: str, step: int | None, picture: Picture) -> None:
        """Hand a picture on."""
        for sink in self._sinks:
            sink.picture(name, step, picture)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leave the time spent in here out of the rates: they are those of the training."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._aside += time.monotonic() - began

    def sync(self) -> None:
        """Bring all that was recorded to the disk."""
        for sink in self._sinks:
            sink.sync()

    def close(self, outcome: Outcome) -> None:
        """Close the sinks; the last call."""
        for sink in self._sinks:
            sink.close(outcome)

    def _rates(self, step: int) -> dict[str, float]:
        (last, then), now = self._mark, time.monotonic()
        rate = (step - last) / max(now - then - self._aside, 1e-9)
        self._mark, self._aside = (step, now), 0.0
        return dict(zip(RATES, (_nine(rate), _nine(rate * self._batch_size)), strict=True))


def to_host(values: Mapping[str, Tensor]) -> dict[str, float]:
    """The scalars as Python floats of nine significant digits, which hold a float32 exactly; one transfer."""
    if not values:
        return {}
    stacked = torch.stack([value.detach().double().reshape(()) for value in values.values()])
    return {name: _nine(value) for name, value in zip(values, stacked.tolist(), strict=True)}


def _nine(value: float) -> float:
    return float(f"{value:.9g}")
