"""Ending early a run of a sweep that falls behind: the median rule, as Optuna's MedianPruner has it."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from gan_cli.build import Experiment
from gan_cli.cli import search
from gan_cli.comparison.runs import PRUNED
from gan_cli.metrics.directions import Direction
from gan_cli.observers.base import Observer, Outcome, Run
from gan_cli.observers.logfile import LOGGER
from gan_cli.observers.metrics_log import NAME, read
from gan_cli.types import State, Trace


class Point(NamedTuple):
    """What was measured after a step."""

    step: int
    value: float


def behind(own: Sequence[Point], others: Sequence[Sequence[Point]], way: Direction) -> bool:
    """Whether the best value so far is worse than the median of the others' best ones up to that step.

    Those that were never measured up to there, or not to that step, do not count.

    >>> curve = lambda *values: [Point(step, value) for step, value in enumerate(values, 1)]
    >>> behind(curve(3.0, 2.5), [curve(3.0, 2.0, 0.1), curve(5.0, 1.0, 1.0)], "lower")
    True
    >>> behind(curve(3.0, 1.2), [curve(3.0, 2.0, 0.1), curve(5.0, 1.0, 1.0)], "lower")
    False
    """
    if not own:
        return False
    at = own[-1].step
    there = [_best(curve, at, way) for curve in others if curve and curve[-1].step >= at]
    known = [value for value in there if math.isfinite(value)]
    mine = _best(own, at, way)
    if not known or not math.isfinite(mine):
        return bool(known)
    median = statistics.median(known)
    return mine < median if way == "higher" else mine > median


def _best(curve: Sequence[Point], until: int, way: Direction) -> float:
    values = [value for step, value in curve if step <= until and math.isfinite(value)]
    return (max if way == "higher" else min)(values, default=math.nan)


def of(config: Mapping[str, Any], built: Experiment) -> list[Pruning]:
    """The rule that the checked config of the experiment asks for, if it asks for one."""
    if config["prune"] is None or (way := search.better(built)) is None:
        return []
    return [Pruning(config["keep_best"], way, config["prune"], config["prune_warmup"])]


@dataclass
class Pruning(Observer):
    """Looks after each evaluation but the last, once it is written, whether the run has fallen behind.

    number: what runs are compared by; way: which way it is better; enough: how many runs beside it must have
    ended in order; warmup: steps before which none is pruned; pruned: whether it is to end early. That is
    known some steps after those it rests on: the training goes on while they are measured and written.
    """

    number: str
    way: Direction
    enough: int
    warmup: int
    pruned: bool = False
    _reason: str = ""
    _known: dict[Path, list[Point]] = field(default_factory=dict)

    def start(self, run: Run, state: State) -> None:
        self._run = run

    def after(self, step: int, state: State, traces: dict[str, Trace]) -> None:
        run = self._run
        if run.due(run.settings.evaluate_every, step) and self.warmup <= step < run.steps and not self.pruned:
            self._look(run.folder)

    def finish(self, step: int, state: State, outcome: Outcome) -> None:
        if self.pruned and outcome == "stopped":  # a look that comes late may find the run done
            (self._run.folder / PRUNED).touch()
            LOGGER.warning("pruned: %s", self._reason)

    def _look(self, folder: Path) -> None:
        for summary in folder.parent.glob("*/summary.json"):
            if summary.parent not in (*self._known, folder) and _done(summary):
                self._known[summary.parent] = self._curve(summary.parent)
        own, others = self._curve(folder), list(self._known.values())
        if len(others) >= self.enough and behind(own, others, self.way):
            at = f"its best {self.number} by step {own[-1].step}"
            self._reason = f"{at} is worse than the median of {len(others)} runs"
            self.pruned = True

    def _curve(self, folder: Path) -> list[Point]:
        key = f"evaluation/{self.number}"
        return [Point(int(line["step"]), line[key]) for line in read(folder / NAME) if key in line]


def _done(summary: Path) -> bool:
    try:
        found: object = json.loads(summary.read_text(encoding="utf-8"))["outcome"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return found == "done"
