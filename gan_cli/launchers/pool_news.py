"""What a pool tells on the way: a line for each thing that happens, and where all jobs are on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from gan_cli.cli.output import shown
from gan_cli.launchers.pool_jobs import Job

_SECONDS = 0.5


class News:
    """Lines about what goes well on standard output, about what does not on standard error."""

    def __init__(self, command: str, jobs: Sequence[Job]) -> None:
        self._command, self._jobs = command, jobs
        self._began: dict[int, float] = {}
        self._next = 0.0
        self._live: Progress | None = None

    def __enter__(self) -> News:
        self._stack = ExitStack()
        if sys.stderr.isatty():
            columns = (BarColumn(20), TextColumn("{task.description}"), TimeRemainingColumn())
            shown_too = sys.stdout.isatty()  # what goes to a file is not drawn above the bar
            live = Progress(
                *columns,
                console=Console(stderr=True),
                redirect_stdout=shown_too,
                refresh_per_second=1 / _SECONDS,
            )
            self._live = self._stack.enter_context(live)
            self._task = live.add_task("", total=len(self._jobs))
        return self

    def __exit__(self, *error: object) -> None:
        self._live = None
        self._stack.close()

    def begun(self, job: Job, where: str) -> None:
        """A job has a process."""
        self._began[job.number] = time.monotonic()
        self.say(f"job {job.number} {'goes on' if job.resumed else 'begins'} ({where}): {shown(job.folder)}")

    def done(self, job: Job) -> None:
        """A job has ended well, or early because it fell behind."""
        took = timedelta(seconds=round(time.monotonic() - self._began.get(job.number, time.monotonic())))
        how = "ended early (pruned)" if job.outcome == "pruned" else "done"
        self.say(f"job {job.number} {how} in {took}: {shown(job.folder)}")

    def failed(self, job: Job, more: str) -> None:
        """A job has not."""
        self.warn(f"job {job.number} failed: {job.line}; its log: {shown(job.console)}{more}")

    def say(self, line: str) -> None:
        """A line on standard output; jobs go on where nobody reads it any more."""
        with suppress(BrokenPipeError):
            print(line, flush=True)

    def warn(self, line: str) -> None:
        """A line on standard error."""
        with suppress(BrokenPipeError):
            print(f"{self._command}: {line}", file=sys.stderr, flush=True)

    def show(self) -> None:
        """Draw the progress anew, now and then."""
        if self._live is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _SECONDS
        count = dict.fromkeys(("done", "pruned", "failed", "waiting"), 0)
        at, words = 0.0, []
        for job in self._jobs:
            if job.outcome in count:
                count[job.outcome] += 1
            if job.outcome == "running":
                step = job.step()
                at += step / max(job.steps, 1)
                words.append(f"{job.number}: {step}/{job.steps}")
        told = ", ".join(f"{n} {name}" for name, n in count.items() if n or name == "done")
        line, ended = "; ".join([told, *words]), sum(count.values()) - count["waiting"]
        self._live.update(self._task, completed=ended + at, description=line)
