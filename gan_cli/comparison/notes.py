"""What a reader of the table has to know of its runs and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gan_cli.comparison import protocols
from gan_cli.comparison.numbers import Measured, Point
from gan_cli.comparison.runs import Found, Run
from gan_cli.metrics.directions import Direction

if TYPE_CHECKING:
    from gan_cli.comparison.table import Row


def told(
    found: Found,
    groups: Sequence[Row],
    metrics: Sequence[str],
    numbers: Mapping[int, Measured],
    better: Mapping[str, Direction],
) -> list[str]:
    """What was left out, what is in no mean, what was measured in different ways, which files are damaged.

    numbers: by the run's id.
    """
    notes = _others(found)
    runs = [run for row in groups for run in row.runs]
    if odd := [
        run.name for row in groups for run in row.runs if not _is_in(run, row) and run.outcome != "done"
    ]:
        notes.append(f"not in the means, as they did not end: {some(odd)}")
    if twice := [r.name for row in groups for r in row.runs if not _is_in(r, row) and r.outcome == "done"]:
        notes.append(f"not in the means, as a later run has the same settings and seed: {some(twice)}")
    for name in metrics:
        notes += _ways(name, groups, numbers, better)
    for run in runs:
        notes += [f"{run.name}: {problem}" for problem in run.problems]
    return notes


def mixed(
    groups: Sequence[Row], differ: Sequence[str], keys: Sequence[str], titles: Mapping[str, str]
) -> list[str]:
    """The settings that a mean goes over."""
    hidden = [key for key in differ if key not in keys]
    mixed = [
        titles[key]
        for key in hidden
        if any(len({repr(run.config.law.get(key)) for run in row.counted}) > 1 for row in groups)
    ]
    return [f"the means go over different {', '.join(mixed)}"] if mixed else []


def about(name: str, numbers: Sequence[Measured]) -> str | None:
    """The protocol of a metric's numbers, where it is one."""
    said = {p.about for one in numbers if (p := one.last(name)) is not None and p.about is not None}
    return said.pop() if len(said) == 1 else None


def some(names: Sequence[str], most: int = 6) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _others(found: Found) -> list[str]:
    return [
        f"left out: {n} folder{'s' * (n > 1)} with {what}{', whose table is its own' * (what == 'a study')}"
        for what, n in found.others.items()
    ]


def _ways(
    name: str, groups: Sequence[Row], numbers: Mapping[int, Measured], better: Mapping[str, Direction]
) -> list[str]:
    """The ways in which a metric was measured, if several, and the rows that have no mean therefore."""
    last = {run: found for run, one in numbers.items() if (found := one.last(name)) is not None}
    best = {run: found for run, one in numbers.items() if (found := one.best(name, better)) is not None}
    blank = [row.name for row in groups if name not in row.last and _any(row, last)]
    more = [row.name for row in groups if name not in row.best and _any(row, best)]
    notes = [] if protocols.alike([*last.values()]) else [_apart(name, last, blank)]
    return [*notes, _apart(f"best {name}", best, more)] if more not in ([], blank) else notes


def _any(row: Row, points: Mapping[int, Point]) -> bool:
    return any(id(run) in points for run in row.counted)


def _apart(name: str, points: Mapping[int, Point], blank: Sequence[str]) -> str:
    without = f", so there is no mean of {some(blank, 3)}" if blank else ""
    return f"{name} was measured in different ways{without}: {protocols.ways([*points.values()])}"


def _is_in(run: Run, row: Row) -> bool:
    return any(run is one for one in row.counted)
