"""Checkpoints while the run goes on, one when it ends in order, and the best by a number that it measures."""

from __future__ import annotations

import math
from collections.abc import Mapping

from gan_cli import checkpoint
from gan_cli.data.base import Distribution
from gan_cli.errors import InputError, nearest
from gan_cli.metrics.base import Direction, Metric
from gan_cli.observers.base import Observer, Outcome, Run, Settings
from gan_cli.observers.evaluation import BETTER
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


class BestCheckpoint(Observer):
    """Keeps the state at which the number `keep_best` was better than ever, beside the other checkpoints.

    Of the bests before the last one those stay that were the best at a checkpoint to which the run may go
    back: resumed from any of them, it ends with the best that it would have had without the break. Its turn
    is after the recorder's and before that of `Checkpoints`: a checkpoint's own best is on the disk first.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._kept: list[checkpoint.Best] = []

    def start(self, run: Run, state: State) -> None:
        self._run, name = run, run.settings.keep_best
        self._better = best_direction(run.settings, run.metrics, isinstance(run.data, Distribution))
        found = [best for best in checkpoint.bests(run.folder) if best.step <= run.start_step]
        # Without its file a best would be one that nobody can have, and keep worse ones away.
        place = run.folder / checkpoint.FOLDER
        self._kept = [best for best in found if best.metric == (name or best.metric)]
        self._kept = [best for best in self._kept if (place / best.file).is_file()]
        checkpoint.keep_bests(run.folder, self._kept)

    def after(self, step: int, state: State, traces: dict[str, Trace]) -> None:
        name = self._run.settings.keep_best
        if name is not None and self._run.due(self._run.settings.evaluate_every, step):
            value = self._recorder.latest.get(f"evaluation/{name}", math.nan)
            if self._beats(value) and checkpoint.first_nonfinite(state) is None:
                self._keep(name, value, step, state)

    def _beats(self, value: float) -> bool:
        if not math.isfinite(value) or not self._kept:
            return math.isfinite(value)
        last = self._kept[-1].value
        return value > last if self._better == "higher" else value < last

    def _keep(self, name: str, value: float, step: int, state: State) -> None:
        run = self._run
        new = checkpoint.save_best(run.folder, name, value, step, state, run.config_yaml)
        self._kept.append(new)
        self._prune(step)

    def finish(self, step: int, state: State, outcome: Outcome) -> None:
        if outcome != "failed" and self._kept:
            self._prune(step)

    def _prune(self, step: int) -> None:
        # Checkpoints of later steps are left from before the run went back behind them.
        steps = [number for number, _ in checkpoint.listed(self._run.folder) if number < step]
        needed = {self._kept[-1], *map(self._at, steps)}
        self._kept = [best for best in self._kept if best in needed]
        checkpoint.keep_bests(self._run.folder, self._kept)

    def _at(self, step: int) -> checkpoint.Best | None:
        return next((best for best in reversed(self._kept) if best.step <= step), None)


def best_direction(settings: Settings, metrics: Mapping[str, Metric], modes: bool) -> Direction | None:
    """Which way the number `keep_best` is better; None where none is to be kept.

    modes: whether the modes of the data are known. Raises InputError where that number is not measured, or
    neither way is better.
    """
    name = settings.keep_best
    if name is None:
        return None
    if settings.evaluate_every == 0:
        raise InputError(f"keep_best={name} needs evaluations: set evaluate_every to 1 or more")
    ways = dict(BETTER) if modes else {}
    for metric in metrics.values():
        ways |= metric.better
    if name in ways:
        return ways[name]
    there = f"; there are {', '.join(ways)}" if ways else "; metric=[…] adds some that are"
    measured = ["spread", *(number for metric in metrics.values() for number in metric.names)]
    if name in measured:
        raise InputError(f"keep_best={name}: neither more nor less of it is better{there}")
    meant = nearest(name.rpartition("/")[2], ways)
    raise InputError(f"keep_best={name}: this run measures no such number{meant}{there}")
