"""Published tables, each a yaml in `published/`, and the runs that stand for their rows.

title, source and note are text. `match` says which runs count at all.

A column has a title, the name of what was `published`, the metric of which ours is the last number, and how
many digits are shown. A log-density may be given for pixels in a range of another `width` (with `pixels`, how
many there are, and the `published_width`). `share: <values an image>` is the per cent of images of which a
row's runs have the least.

A row has a name, the settings that its runs `match` (none: there are no such runs yet), the `paper`'s numbers
and their errors, `metrics` and `digits` where a column has others in it; `any: true` takes all runs' metric.

A setting to match is an option of a group (loss: fgan_kl), a trick (trick.r1: present, or null for
absent) or any value by its dotted key; a list names several that will do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gan_cli.comparison import protocols
from gan_cli.comparison.config import Config, at
from gan_cli.comparison.notes import some
from gan_cli.comparison.numbers import Point, deviation, mean
from gan_cli.comparison.runs import Run
from gan_cli.comparison.shares import Contest, contest
from gan_cli.comparison.table import Row, Table
from gan_cli.comparison.text import Sheet, word
from gan_cli.errors import InputError, nearest

FOLDER = Path(__file__).parent / "published"


@dataclass(frozen=True)
class Column:
    """One published number a row, and ours.

    published: its name in the rows, in a unit of `published_width`; metric, width, pixels, share: ours.
    """

    title: str
    published: str
    metric: str | None = None
    share: str | None = None
    digits: int = 1
    width: float | None = None
    pixels: int = 0
    published_width: float | None = None


@dataclass(frozen=True)
class Paper:
    """A published table."""

    name: str
    title: str
    source: str
    note: str
    match: Mapping[str, Any]
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Beside:
    """A paper's table with ours in it, and what is to be told."""

    title: str
    source: str
    sheet: Sheet
    notes: list[str]


def names() -> list[str]:
    """The papers there are."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Paper:
    """The paper of that name. Raises InputError where there is none, with the nearest."""
    if name not in names():
        raise InputError(f"paper={name}: there is none{nearest(name, names()) or ': ' + ', '.join(names())}")
    content = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    columns = [Column(**column) for column in content.pop("columns")]
    return Paper(name, columns=columns, **({"note": "", "match": {}} | content))


def beside(paper: Paper, table: Table) -> Beside:
    """The paper's table, every row of it, and beside each the runs that match it.

    Ours: the mean over the runs of one setting ± their standard deviation, whatever else the runs are grouped
    by; blank where they were measured in different ways. Runs of several settings that match one row have a
    line each.
    """
    fitting = [row for row in table.whole if _fits(row.runs[0], paper.match)]
    matched = [_matching(rule, fitting, table) for rule in paper.rows]
    own = [rows for rule, rows in zip(paper.rows, matched, strict=True) if not rule.get("any")]
    flat = list({id(row): row for rows in own for row in rows}.values())
    contests = {name: contest(name, flat) for name in {c.share for c in paper.columns if c.share}}
    lines: list[list[str]] = []
    for rule, found in zip(paper.rows, matched, strict=True):
        more = {key: rule[key] for key in ("metrics", "digits") if key in rule}
        for position, row in enumerate(found or [None]):
            cells = _cells(paper, more if position else rule, row, table, flat, contests)
            named = [] if position else [str(rule["name"])]
            lines.append([" ".join([*named, *_setting(row, found, table)]), *cells])
    titles = [f"{column.title}: {who}" for column in paper.columns for who in ("paper", "ours")]
    notes = [*_apart(paper, matched, table), *(one.problem for one in contests.values() if one.problem)]
    sheet = Sheet(["", *titles, "runs"], lines, len(titles) + 1)
    return Beside(paper.title, paper.source, sheet, [*_notes(paper, flat, table), *notes])


def _cells(
    paper: Paper,
    rule: Mapping[str, Any],
    row: Row | None,
    table: Table,
    flat: Sequence[Row],
    contests: Mapping[str, Contest],
) -> list[str]:
    """What was published and what came out, by column, and of how many runs that is the mean."""
    cells = []
    for column in paper.columns:
        values: list[float] = []
        if row is not None and column.share is not None:
            values = contests[column.share].percent[next(i for i, one in enumerate(flat) if one is row)]
        elif row is not None:
            points = _points(column, rule, row, table)
            values = (
                [point.value + _in_unit(column, point) for point in points] if _alike(column, points) else []
            )
        middle = mean(values)
        ours = "" if middle is None else _text(middle, deviation(values), _digits(column, rule))
        cells += [_published(column, rule), ours]
    return [*cells, "" if row is None else str(len(row.counted))]


def _matching(rule: Mapping[str, Any], rows: Sequence[Row], table: Table) -> list[Row]:
    """The settings of a row; of one that says `any`, all runs together that have its metrics."""
    if not rule.get("any"):
        return [row for row in rows if _fits(row.runs[0], rule.get("match"))]
    names = rule["metrics"].values()
    runs = tuple(r for row in rows for r in row.counted if any(n in table.of(r).points for n in names))
    return [Row(runs, runs, rows[0].settings, {}, {})] if runs else []


def _setting(row: Row | None, others: Sequence[Row], table: Table) -> list[str]:
    """In what this line differs from the other lines of its row."""
    pairs = []
    for index, key in enumerate(table.differ):
        if row is not None and len({repr(other.settings[index]) for other in others}) > 1:
            pairs.append(f"{table.titles[key]}={word(row.settings[index]) or 'null'}")
    return [f"({', '.join(pairs)})"] if pairs else []


def _fits(run: Run, rules: Mapping[str, Any] | None) -> bool:
    """Whether the run has every setting; a row without rules of its own fits none."""
    if rules is None:
        return False
    return all(_has(run.config, key, wanted) for key, wanted in rules.items())


def _has(config: Config, key: str, wanted: Any) -> bool:
    value = config.options.get(key, at(config.values, key))
    options = wanted if isinstance(wanted, list) else [wanted]
    if isinstance(value, Mapping):  # of a node only its presence is asked
        return any(option is not None for option in options)
    return any(value == option and isinstance(value, bool) == isinstance(option, bool) for option in options)


def _published(column: Column, rule: Mapping[str, Any]) -> str:
    found = rule.get("paper", {}).get(column.published)
    if found is None:
        return ""
    value, *error = found if isinstance(found, list) else [found]
    if column.width is not None and column.published_width is not None:
        value += column.pixels * math.log(column.published_width / column.width)
    return _text(value, error[0] if error else None, _digits(column, rule))


def _digits(column: Column, rule: Mapping[str, Any]) -> int:
    return int(rule.get("digits", {}).get(column.published, column.digits))


def _points(column: Column, rule: Mapping[str, Any], row: Row, table: Table) -> list[Point]:
    """Each counted run's last number."""
    name = str(rule.get("metrics", {}).get(column.published, column.metric))
    return [point for run in row.counted if (point := table.of(run).last(name)) is not None]


def _alike(column: Column, points: Sequence[Point]) -> bool:
    """Whether there is a mean; a unit that the column converts may differ."""
    return protocols.alike(points, () if column.width is None else ("pixel_range",))


def _apart(paper: Paper, matched: Sequence[Sequence[Row]], table: Table) -> list[str]:
    """The rows whose runs were measured in different ways."""
    notes = []
    for rule, rows in zip(paper.rows, matched, strict=True):
        for row, column in ((row, column) for row in rows for column in paper.columns if column.metric):
            points = _points(column, rule, row, table)
            if not _alike(column, points):
                notes.append(f"{rule['name']}: no mean of {column.metric}, {protocols.ways(points)}")
    return list(dict.fromkeys(notes))


def _in_unit(column: Column, point: Point) -> float:
    """What a log-density gains in the column's unit: D·ln(w/w'), from pixels in a range of width w to w'."""
    if column.width is None:
        return 0.0
    bounds = at(point.settings, "pixel_range")
    try:
        low, high = bounds if isinstance(bounds, list) else (0.0, 1.0)
        return column.pixels * math.log((high - low) / column.width)
    except (TypeError, ValueError):  # no range at all: there is no number in this unit
        return math.nan


def _text(value: float, error: float | None, digits: int) -> str:
    return f"{value:.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")


def _notes(paper: Paper, matched: Sequence[Row], table: Table) -> list[str]:
    notes = [f"paper: {paper.source}", "ours: the mean ± the standard deviation over runs of one setting"]
    notes += [" ".join(paper.note.split())] if paper.note else []
    for metric in dict.fromkeys(column.metric for column in paper.columns if column.metric):
        if metric in table.about and metric not in table.metrics:
            notes.append(f"ours, {metric}: {table.about[metric]}")
        elif matched and not any(metric in numbers.points for numbers in table.numbers):
            notes.append(f"no run has {metric}: train with a metric that gives it, or measure it by gan-eval")
    taken = {id(run) for row in matched for run in row.runs}
    if lost := [run.name for run in table.runs if id(run) not in taken]:
        notes.append(f"no row of {paper.name} for: {some(lost)}")
    return notes
