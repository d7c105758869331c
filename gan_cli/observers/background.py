"""Looking and writing in a thread of its own, so that the training goes on meanwhile.

What is due at a step is one job: the evaluation, the line and curves, the pictures, the checkpoint, in this
order. Jobs are done one after another in the order of their steps, so whatever kills the process, the files
are those of a run that did it all itself and was killed a little earlier. A state is never changed in place:
handing it over is all the snapshot that is needed.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import cache
from typing import Any

from gan_cli.observers.base import Observer, Outcome, Run, finish
from gan_cli.observers.recorder import Reading, Recorder
from gan_cli.types import State, Trace

STATES, JOBS = 2, 256
"""How many jobs of one run may wait that hold a state, and how many at all, before its training waits."""


@cache
def _thread() -> ThreadPoolExecutor:
    """The one thread of this process: networks in evaluation mode are lent to one caller at a time."""
    return ThreadPoolExecutor(1, "observers")


os.register_at_fork(after_in_child=_thread.cache_clear)  # threads stay behind in the parent


class Writer:
    """One run's jobs for the thread that all runs of this process share; a failure ends this run's alone."""

    def __init__(self) -> None:
        self._pending: deque[tuple[Future[None], bool]] = deque()
        self._error: BaseException | None = None

    def do(self, job: Callable[..., None], *arguments: Any, holds_state: bool) -> None:
        """Have `job` done after all before it; waits where too much is waiting. Raises as `check`."""
        self.check()
        while len(self._pending) >= JOBS or (holds_state and sum(h for _, h in self._pending) >= STATES):
            self._wait()
        # In the caller's context: what is logged there is said by the same run.
        done = _thread().submit(copy_context().run, self._done, job, arguments)
        self._pending.append((done, holds_state))

    def check(self) -> None:
        """Raise what a job has failed with, if one has: those after it are not done."""
        while self._pending and self._pending[0][0].done():
            self._pending.popleft()
        if self._error is not None:
            raise self._error

    def settle(self) -> None:
        """Wait until all is done. Raises as `check`."""
        while self._pending:
            self._wait()
        self.check()

    def abandon(self) -> None:
        """Leave undone what has not begun, and wait for what has: nothing is written afterwards."""
        wait([job for job, _ in self._pending if not job.cancel()])
        self._pending.clear()

    def _wait(self) -> None:
        self._pending[0][0].result()
        self._pending.popleft()

    def _done(self, job: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        if self._error is None:
            try:
                job(*arguments)
            except BaseException as error:  # noqa: BLE001 - raised in the thread of the training
                self._error = error


class Background(Observer):
    """Tells others of the steps at which anything is due, in the writer's thread.

    `first` are told before the recorder writes a step, `then` after it. They start and finish in the
    thread of the training, when no job is left. An error of theirs is raised in the training at the next
    step, at the last one in that step; found at the end, it makes the outcome "failed".
    """

    def __init__(
        self, writer: Writer, recorder: Recorder, first: Sequence[Observer], then: Sequence[Observer]
    ) -> None:
        self._writer, self._recorder = writer, recorder
        self._first, self._then = first, then

    def start(self, run: Run, state: State) -> None:
        self._run = run
        for observer in (*self._first, self._recorder, *self._then):
            observer.start(run, state)

    def after(self, step: int, state: State, traces: dict[str, Trace]) -> None:
        self._writer.check()
        run, settings = self._run, self._run.settings
        intervals = (settings.sample_every, settings.checkpoint_every, settings.evaluate_every)
        seen = (state, traces) if any(run.due(every, step) for every in intervals) else None
        logged = run.due(settings.log_every, step)
        if seen is None and not logged:
            return
        reading = self._recorder.read(step, traces) if logged else None
        with self._recorder.aside():
            self._writer.do(self._tell, step, seen, reading, holds_state=seen is not None)
            if step == run.steps:
                self._writer.settle()

    def finish(self, step: int, state: State, outcome: Outcome) -> None:
        errors: list[Exception] = []
        try:
            if isinstance(sys.exception(), KeyboardInterrupt):  # who asked twice does not wait for the rest
                self._writer.abandon()
            self._writer.settle()
        except Exception as error:  # noqa: BLE001 - raised below, once all are told
            errors.append(error)
            outcome = "failed"
        except KeyboardInterrupt:
            self._writer.abandon()
            raise
        errors += finish((*self._first, self._recorder, *self._then), step, state, outcome)
        if errors:
            raise errors[0]

    def _tell(self, step: int, seen: tuple[State, dict[str, Trace]] | None, reading: Reading | None) -> None:
        # On a GPU this thread's work queues behind the training's, on the same stream.
        if seen is not None:
            for observer in self._first:
                observer.after(step, *seen)
        self._recorder.write(step, reading)
        if seen is not None:
            for observer in self._then:
                observer.after(step, *seen)
