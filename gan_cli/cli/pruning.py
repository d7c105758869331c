"""Ending early a run of a sweep that falls behind: the median rule, as Optuna's MedianPruner has it."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from gan_cli.build import Experiment
from gan_cli.cli import search
from gan_cli.comparison.runs import PRUNED
from gan_cli.metrics.directions import Direction
from gan_cli.observers.logfile import LOGGER
from gan_cli.observers.metrics_log import NAME, read


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


def never() -> bool:
    """No run is pruned."""
    return False


def of(config: Mapping[str, Any], folder: Path, built: Experiment) -> Callable[[], bool]:
    """What the checked config of the experiment that runs in `folder` asks for."""
    if config["prune"] is None or (way := search.better(built)) is None:
        return never
    rule = config["keep_best"], way, config["prune"], config["prune_warmup"], config["evaluate_every"]
    return Pruning(folder, *rule)


@dataclass
class Pruning:
    """Says when the run in `folder` is to end early; called after each step, it looks every `every`.

    number: what runs are compared by; way: which way it is better; after: how many runs beside it must have
    ended in order; warmup: steps before which none is pruned.
    """

    folder: Path
    number: str
    way: Direction
    after: int
    warmup: int
    every: int
    pruned: bool = False
    _calls: int = 0
    _known: dict[Path, list[Point]] = field(default_factory=dict)

    def __call__(self) -> bool:
        self._calls += 1
        if not self.pruned and self._calls % self.every == 0:
            self._look()
        return self.pruned

    def _look(self) -> None:
        own = self._curve(self.folder)
        if not own or own[-1].step < self.warmup:
            return
        for summary in self.folder.parent.glob("*/summary.json"):
            if summary.parent not in (*self._known, self.folder) and _done(summary):
                self._known[summary.parent] = self._curve(summary.parent)
        others = list(self._known.values())
        if len(others) >= self.after and behind(own, others, self.way):
            self.pruned = True
            (self.folder / PRUNED).touch()
            text = "pruned: its best %s by step %d is worse than the median of %d runs"
            LOGGER.warning(text, self.number, own[-1].step, len(others))

    def _curve(self, folder: Path) -> list[Point]:
        key = f"evaluation/{self.number}"
        return [Point(int(line["step"]), line[key]) for line in read(folder / NAME) if key in line]


def _done(summary: Path) -> bool:
    try:
        found: object = json.loads(summary.read_text(encoding="utf-8"))["outcome"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return found == "done"
