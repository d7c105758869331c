"""The terminal: a bar with rate, time left, losses and bound; plain lines where there is no terminal."""

from __future__ import annotations

import time
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gan_cli.observers.base import Observer, Outcome, Run
from gan_cli.observers.logfile import LOGGER, is_terminal
from gan_cli.observers.recorder import RATES, Recorder
from gan_cli.types import State, Trace

SHOWN = {"G": "generator/loss", "C": "critic/loss", "bound": "divergence/bound"}
_SECONDS = 0.2


class ProgressBar(Observer):
    """Shows where the run is; a line goes to train.log at every logged step in either case."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._bar: Progress | None = None

    def start(self, run: Run, state: State) -> None:
        self._run = run
        self._next, self._began = 0.0, time.monotonic()
        if is_terminal():
            columns = (BarColumn(None), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
            values = TextColumn("[dim]{task.fields[values]}")
            self._bar = Progress(
                *columns, TimeRemainingColumn(), values, console=Console(stderr=True), expand=True
            )
            self._task = self._bar.add_task("", total=run.steps, completed=run.start_step, rate="", values="")
            self._bar.start()

    def after(self, step: int, state: State, traces: dict[str, Trace]) -> None:
        if self._run.due(self._run.settings.log_every, step):
            LOGGER.info(self._line(step))
        if self._bar is not None and (now := time.monotonic()) >= self._next:
            self._next = now + _SECONDS
            self._show(self._bar, step)

    def finish(self, step: int, state: State, outcome: Outcome) -> None:
        if self._bar is not None:
            self._show(self._bar, step)
            self._bar.stop()
            self._bar = None

    def _show(self, bar: Progress, step: int) -> None:
        rate = f"{self._rate:.3g} steps/s" if self._rate else ""
        bar.update(self._task, completed=step, rate=rate, values=self._values())

    @property
    def _rate(self) -> float:
        return self._recorder.latest.get(RATES[0], 0.0)

    def _values(self) -> str:
        latest = self._recorder.latest
        return "  ".join(f"{short} {latest[name]:.3f}" for short, name in SHOWN.items() if name in latest)

    def _line(self, step: int) -> str:
        total = self._run.steps
        pace = (time.monotonic() - self._began) / (step - self._run.start_step)
        left = timedelta(seconds=round((total - step) * pace))
        return (
            f"step {step:>{len(str(total))}}/{total}  {self._values()}  {self._rate:.3g} steps/s  {left} left"
        )
