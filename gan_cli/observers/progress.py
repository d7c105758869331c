"""The terminal: a bar with rate, time left, losses and bound, or plain lines, which train.log has anyway."""

from __future__ import annotations

import time
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gan_cli.observers.base import Observer, Outcome, Run
from gan_cli.observers.logfile import LOGGER, is_terminal
from gan_cli.observers.recorder import RATES, Recorder, Scalars, Sink
from gan_cli.types import State, Trace

SHOWN = {"G": "generator/loss", "C": "critic/loss", "bound": "divergence/bound", "loss": "model/loss"}
_SECONDS = 0.2


class ProgressBar(Observer):
    """Shows where the run is; nothing where there is no terminal."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._bar: Progress | None = None

    def start(self, run: Run, state: State) -> None:
        self._run = run
        self._next = 0.0
        if is_terminal():
            columns = (BarColumn(None), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
            values = TextColumn("[dim]{task.fields[values]}")
            self._bar = Progress(
                *columns, TimeRemainingColumn(), values, console=Console(stderr=True), expand=True
            )
            self._task = self._bar.add_task("", total=run.steps, completed=run.start_step, rate="", values="")
            self._bar.start()

    def after(self, step: int, state: State, traces: dict[str, Trace]) -> None:
        if self._bar is not None and (now := time.monotonic()) >= self._next:
            self._next = now + _SECONDS
            self._show(self._bar, step)

    def finish(self, step: int, state: State, outcome: Outcome) -> None:
        if self._bar is not None:
            self._show(self._bar, step)
            self._bar.stop()
            self._bar = None

    def _show(self, bar: Progress, step: int) -> None:
        latest = self._recorder.latest
        rate = f"{latest[RATES[0]]:.3g} steps/s" if RATES[0] in latest else ""
        bar.update(self._task, completed=step, rate=rate, values=_shown(latest))


class Lines(Sink):
    """A line in train.log for each logged step."""

    def open(self, run: Run) -> Scalars:
        self._run, self._began = run, time.monotonic()
        return {}

    def scalars(self, step: int, values: Scalars) -> None:
        if RATES[0] not in values:  # an evaluation between two logged steps
            return
        total = self._run.steps
        pace = (time.monotonic() - self._began) / (step - self._run.start_step)
        left = timedelta(seconds=round((total - step) * pace))
        place, rate = f"step {step:>{len(str(total))}}/{total}", f"{values[RATES[0]]:.3g} steps/s"
        LOGGER.info("%s  %s  %s  %s left", place, _shown(values), rate, left)


def _shown(values: Scalars) -> str:
    """The scalars of a game or a model; of a pyramid's games each under its side."""
    levels = dict.fromkeys(name.partition("/")[0] for name in values)
    places = {"": "", **{f"{level}/": f"{level} " for level in levels if level.isdecimal()}}
    every = [
        (place + short, prefix + name) for prefix, place in places.items() for short, name in SHOWN.items()
    ]
    return "  ".join(f"{short} {values[name]:.3f}" for short, name in every if name in values)
