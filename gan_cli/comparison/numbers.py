"""The numbers of runs: of each metric the last, the best, and which way is better."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gan_cli.comparison.config import at
from gan_cli.comparison.runs import Run, number
from gan_cli.errors import InputError, nearest
from gan_cli.metrics.directions import BETTER, Direction

EVALUATION, ERROR = "evaluation/", "_error"
_FALLBACK = ("divergence/bound", "generator/loss", "critic/loss", "model/loss")
"""What is shown of runs that measured nothing."""


@dataclass(frozen=True)
class Point:
    """A number, its own standard error where the metric gives one, the step, the protocol in words and as the
    metric's settings."""

    value: float
    step: int | None
    error: float | None = None
    about: str | None = None
    settings: Any = field(default=None, compare=False)


@dataclass(frozen=True)
class Measured:
    """All numbers of one run by name, "evaluation/" left out; points in rising order of the step."""

    points: Mapping[str, Sequence[Point]]

    def last(self, name: str) -> Point | None:
        """The number of the latest step."""
        found = self.points.get(name)
        return found[-1] if found else None

    def best(self, name: str, better: Mapping[str, Direction]) -> Point | None:
        """The best number of all steps, the earliest of equals; None where no way is better."""
        found = [point for point in self.points.get(name, ()) if not math.isnan(point.value)]
        if not found or name not in better:
            return None
        sign = 1 if better[name] == "higher" else -1
        return max(found, key=lambda point: sign * point.value)


def measured(run: Run) -> Measured:
    """What metrics.jsonl and evaluation.json hold, and summary.json where these are silent.

    At one step what evaluation.json says counts, and in it what was written last. What was logged was
    measured by the run's own settings.
    """
    values: dict[str, dict[int | None, Point]] = {}
    for name, (steps, curve) in run.curves.items():
        short = name.removeprefix(EVALUATION)
        asked = _asked(run, short)
        values[short] = {
            step: Point(value, step, settings=asked) for step, value in zip(steps, curve, strict=True)
        }
    for name, last in run.last.items():
        short = name.removeprefix(EVALUATION)
        values.setdefault(short, {None: Point(last, run.step, settings=_asked(run, short))})
    for entry in run.evaluations:
        about, step = _text(entry.get("about")), int(number(entry["step"]) or 0)
        for name, raw in entry["values"].items():
            if (value := number(raw)) is not None:
                values.setdefault(name, {}).pop(None, None)
                values[name][step] = Point(value, step, None, about, entry.get("settings"))
    return Measured({name: _with_errors(name, points, values) for name, points in values.items()})


def directions(runs: Iterable[Run]) -> dict[str, Direction]:
    """Which way is better, by the runs' own evaluations and for what is always measured."""
    found = dict(BETTER)
    for run in runs:
        for entry in run.evaluations:
            said = entry.get("better")
            for name, way in said.items() if isinstance(said, dict) else ():
                if way in ("higher", "lower"):
                    found[str(name)] = way
    return found


def chosen(wanted: Sequence[str], numbers: Sequence[Measured], runs: Sequence[Run]) -> list[str]:
    """The metrics to show: the wanted ones, or all evaluations, or failing these the losses.

    A word may stand for all that one metric=[…] gave: prdc for prdc_precision, prdc_recall, ….
    A standard error stands beside its number, not in a column of its own. Raises InputError for a name that
    no run has.
    """
    there = dict.fromkeys(name for one in numbers for name in one.points)
    plain = [name for name in there if not _is_error(name, there)]
    several = _by_metric(runs, plain)
    wanted = [one for name in wanted for one in ([name] if name in there else several.get(name, [name]))]
    for name in wanted:
        if name.removeprefix(EVALUATION) not in there:
            guess = nearest(name, [*there, *several])
            raise InputError(f"metrics={name}: no run has it{guess or _known(there)}")
    if wanted:
        return list(dict.fromkeys(name.removeprefix(EVALUATION) for name in wanted))
    logged = {name for run in runs for name in (*run.curves, *run.last) if name.startswith(EVALUATION)}
    evaluated = {name.removeprefix(EVALUATION) for name in logged}
    evaluated |= {str(name) for run in runs for entry in run.evaluations for name in entry["values"]}
    return [name for name in plain if name in evaluated] or [name for name in _FALLBACK if name in there]


def mean(values: Sequence[float]) -> float | None:
    """The mean, None of nothing."""
    return math.fsum(values) / len(values) if values and all(map(math.isfinite, values)) else _odd(values)


def deviation(values: Sequence[float]) -> float | None:
    """The standard deviation, with n − 1; None of fewer than two."""
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return None
    middle = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1))


def standard_error(values: Sequence[float]) -> float | None:
    """Of the mean: the standard deviation over √n; None of fewer than two.

    >>> standard_error([1.0, 3.0])
    1.0
    """
    spread = deviation(values)
    return None if spread is None else spread / math.sqrt(len(values))


def _odd(values: Sequence[float]) -> float | None:
    return sum(values) if values else None  # NaN, or the infinity that is among them


def _asked(run: Run, name: str) -> Any:
    """The run's settings of the metric that gives the number: by evaluation.json, or by the number's name."""
    metrics = at(run.config.values, "metric")
    if not isinstance(metrics, Mapping):
        return None
    gave = [str(entry.get("metric")) for entry in run.evaluations if name in entry["values"]]
    called = sorted((m for m in metrics if name == m or name.startswith(f"{m}_")), key=len)
    return next((metrics[metric] for metric in [*gave, *called[::-1]] if metric in metrics), None)


def _with_errors(
    name: str, points: Mapping[int | None, Point], values: Mapping[str, Mapping[int | None, Point]]
) -> list[Point]:
    errors = values.get(name + ERROR, {})
    whole = [
        replace(point, error=errors[step].value) if step in errors else point
        for step, point in points.items()
    ]
    return sorted(whole, key=lambda point: -1 if point.step is None else point.step)


def _by_metric(runs: Sequence[Run], names: Sequence[str]) -> dict[str, list[str]]:
    """Those of the names that each metric of evaluation.json gave."""
    found: dict[str, dict[str, None]] = {}
    for entry in (entry for run in runs for entry in run.evaluations):
        given = found.setdefault(str(entry.get("metric")), {})
        given |= dict.fromkeys(name for name in names if name in entry["values"])
    return {metric: list(given) for metric, given in found.items()}


def _is_error(name: str, there: Iterable[str]) -> bool:
    return name.endswith(ERROR) and name.removesuffix(ERROR) in there


def _known(names: Iterable[str]) -> str:
    listed = list(names)
    return f" (there are {', '.join(listed[:12])})" if listed else " (they have no numbers)"


def _text(value: Any) -> str | None:
    return " ".join(value.split()) if isinstance(value, str) else None
