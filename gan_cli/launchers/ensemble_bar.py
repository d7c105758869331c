"""One bar for all runs of a chunk; nothing where there is no terminal."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gan_cli.observers.logfile import is_terminal

_SECONDS = 0.2


class Bar:
    """Shows how far a chunk is, and how many of its runs go on. total: the steps of its longest run."""

    def __init__(self, total: int, step: int):
        self._bar: Progress | None = None
        self._next = 0.0
        if is_terminal():
            columns = (BarColumn(None), MofNCompleteColumn(), TextColumn("{task.fields[runs]} runs"))
            console = Console(stderr=True)
            self._bar = Progress(*columns, TimeRemainingColumn(), console=console, expand=True)
            self._task = self._bar.add_task("", total=total, completed=step, runs="")

    def __enter__(self) -> Bar:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, step: int, runs: int) -> None:
        """After a step, with that many runs that go on."""
        if self._bar is not None and (now := time.monotonic()) >= self._next:
            self._next = now + _SECONDS
            self._bar.update(self._task, completed=step, runs=runs)
