"""The table: a row a run, or a row for all seeds of a setting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gan_cli.comparison import differences, notes, protocols
from gan_cli.comparison.config import Values
from gan_cli.comparison.numbers import (
    Measured,
    Point,
    chosen,
    directions,
    mean,
    measured,
    standard_error,
)
from gan_cli.comparison.runs import Found, Run, natural
from gan_cli.errors import InputError, nearest
from gan_cli.metrics.directions import Direction


@dataclass(frozen=True)
class Number:
    """What a row shows of a metric: the mean over n runs ± its standard error, or one run's number."""

    value: float
    error: float | None
    n: int
    step: int | None = None


@dataclass(frozen=True)
class Row:
    """Runs of one setting: `runs` are all of them, `counted` those whose numbers are averaged."""

    runs: tuple[Run, ...]
    counted: tuple[Run, ...]
    settings: tuple[Any, ...]
    last: Mapping[str, Number]
    best: Mapping[str, Number]

    @property
    def outcome(self) -> str:
        """How the runs ended: `done`, or `2 done, 1 failed`."""
        found = Counter(run.outcome for run in self.runs)
        if len(found) == 1:
            return next(iter(found))
        return ", ".join(f"{count} {outcome}" for outcome, count in found.most_common())

    @property
    def name(self) -> str:
        """The runs' names."""
        return ", ".join(run.name for run in self.runs)


@dataclass(frozen=True)
class Table:
    """What is shown of the runs.

    groups: rows under the settings `keys`; whole: rows under `differ`, all the settings in which the runs
    differ; single: a row a run, under these; titles: the keys' short names; about: the metrics' protocols;
    notes: what a reader has to know.
    """

    runs: Sequence[Run]
    numbers: Sequence[Measured]
    keys: Sequence[str]
    differ: Sequence[str]
    titles: Mapping[str, str]
    metrics: Sequence[str]
    better: Mapping[str, Direction]
    about: Mapping[str, str]
    groups: Sequence[Row]
    whole: Sequence[Row]
    single: Sequence[Row]
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def spread(self) -> str:
        """What stands after ±."""
        several = any(len(row.runs) > 1 for row in self.groups)
        return "standard error over runs" if several else "the metric's own standard error"

    def of(self, run: Run) -> Measured:
        """A run's numbers."""
        return self.numbers[next(i for i, one in enumerate(self.runs) if one is run)]


def table(found: Found, metrics: Sequence[str] = (), by: Sequence[str] | None = None) -> Table:
    """All that is shown of the runs.

    by: the settings that make a group, others averaged over; None: all in which the runs differ but the
    seed. Raises InputError for a metric or a key that no run has.
    """
    runs = found.runs
    numbers = [measured(run) for run in runs]
    shown, better = chosen(metrics, numbers, runs), directions(runs)
    every = dict.fromkeys(key for run in runs for key in run.config.law)
    differ = differences.differing(runs)
    keys = differ if by is None else [_key(word, every) for word in by]
    titles = differences.short_names([*keys, *(key for key in differ if key not in keys)], every)
    laws = {id(run): run.config.law for run in runs}
    by_run = {id(run): found for run, found in zip(runs, numbers, strict=True)}
    every_way = _Maker(by_run, shown, better, differ, laws)
    groups, whole = _Maker(by_run, shown, better, keys, laws).rows(runs), every_way.rows(runs)
    single = [every_way.row([run]) for run in runs]
    said = notes.told(found, groups, shown, by_run, better) + notes.mixed(groups, differ, keys, titles)
    about = {name: text for name in shown if (text := notes.about(name, numbers)) is not None}
    return Table(runs, numbers, keys, differ, titles, shown, better, about, groups, whole, single, said)


@dataclass(frozen=True)
class _Maker:
    """Makes rows of runs that agree in the keys."""

    numbers: Mapping[int, Measured]
    metrics: Sequence[str]
    better: Mapping[str, Direction]
    keys: Sequence[str]
    laws: Mapping[int, Values]

    def rows(self, runs: Sequence[Run]) -> list[Row]:
        """A row for each setting; of runs that are several nowhere with the errors that the metrics gave."""
        members: dict[Any, list[Run]] = {}
        for run in runs:
            lone = () if run.config.values else (str(run.folder),)  # of unknown settings: alike to no other
            members.setdefault((*differences.identity(self.laws[id(run)], self.keys), *lone), []).append(run)
        own = all(len(group) == 1 for group in members.values())
        return sorted((self.row(group, own) for group in members.values()), key=_order)

    def row(self, runs: Sequence[Run], own: bool = True) -> Row:
        """One row. own: whether a single run's number goes with the standard error that its metric gave."""
        counted = self._counted(runs)
        last = {name: [self.numbers[id(run)].last(name) for run in counted] for name in self.metrics}
        best = {
            name: [self.numbers[id(run)].best(name, self.better) for run in counted] for name in self.metrics
        }
        settings = tuple(runs[0].config.shown(key) for key in self.keys)
        return Row(tuple(runs), tuple(counted), settings, _means(last, own), _means(best, own))

    def _counted(self, runs: Sequence[Run]) -> list[Run]:
        """The runs that ended well, where there are any; of two with one seed and setting the later."""
        done = [run for run in runs if run.outcome == "done"] or list(runs)
        latest: dict[Any, Run] = {}
        for run in done:
            law = tuple(sorted((key, str(value)) for key, value in self.laws[id(run)].items()))
            mark = id(run) if run.seed is None or not law else (law, run.seed)
            latest.pop(mark, None)
            latest[mark] = run
        return list(latest.values())


def _means(points: Mapping[str, Sequence[Point | None]], own: bool) -> dict[str, Number]:
    """The means over runs; none of numbers that came about in different ways."""
    found = {}
    for name, several in points.items():
        there = [point for point in several if point is not None]
        values = [point.value for point in there]
        if (middle := mean(values)) is not None and protocols.alike(there):
            error = standard_error(values) if len(values) > 1 else there[0].error if own else None
            found[name] = Number(middle, error, len(values), there[0].step if len(values) == 1 else None)
    return found


def _key(word: str, every: Mapping[str, Any]) -> str:
    """The key that the word stands for: itself, or the only one that ends in it."""
    if word in every:
        return word
    ends = [key for key in every if key.endswith(f".{word}")]
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise InputError(f"by={word} may be {' or '.join(ends[:4])}: write one of them")
    raise InputError(f"by={word}: no run has such a setting{nearest(word, ['run', 'group', *every])}")


def _order(row: Row) -> tuple[Any, ...]:
    """Settings in a natural order, numbers by size, what is absent first."""
    return tuple(_rank(value) for value in row.settings)


def _rank(value: Any) -> tuple[int, float, Any]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return (0 if value is None else 2, 0.0, natural(str(value)))
    return 1, float(value), []
