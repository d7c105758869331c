"""Checkpoints while the run goes on, and one when it ends in order."""

from __future__ import annotations

from gan_cli import checkpoint
from gan_cli.observers.base import Observer, Outcome, Run
from gan_cli.observers.logfile import LOGGER
from gan_cli.observers.recorder import Recorder
from gan_cli.types import State, Trace


class Checkpoints(Observer):
    """Writes a checkpoint every `checkpoint_every` steps and at an orderly end, never of a non-finite state.

    What was recorded is brought to the disk first: whatever kills the process, the checkpoint that the run
    goes on from has every line and curve before it.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def start(self, run: Run, state: State) -> None:
        self._run = run
        self._last = (
            run.start_step if any(n == run.start_step for n, _ in checkpoint.listed(run.folder)) else -1
        )

    def after(self, step: int, state: State, traces: dict[str, Trace]) -> None:
        if self._run.due(self._run.settings.checkpoint_every, step):
            with self._recorder.aside():
                self._save(step, state)

    def finish(self, step: int, state: State, outcome: Outcome) -> None:
        if outcome != "failed":
            self._save(step, state)

    def _save(self, step: int, state: State) -> None:
        if step == self._last:
            return
        self._last = step
        if (bad := checkpoint.first_nonfinite(state)) is not None:
            LOGGER.warning("step %d: no checkpoint written, %s is not finite", step, bad)
            return
        self._recorder.sync()
        keep = self._run.settings.keep_checkpoints
        checkpoint.save(self._run.folder, step, state, self._run.config_yaml, keep)
