"""The table as text: for a terminal, in markdown, and as comma-separated values."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from gan_cli.comparison.numbers import ERROR
from gan_cli.comparison.table import Number, Row, Table
from gan_cli.values import show

Which = Literal["last", "best"]
By = Literal["group", "run"]


class Sheet(NamedTuple):
    """Cells of text under titles; the last `numeric` columns are numbers."""

    titles: list[str]
    rows: list[list[str]]
    numeric: int


def sheet(table: Table, by: By = "group", which: Which = "last") -> Sheet:
    """What a person reads of the table."""
    rows = table.groups if by == "group" else table.single
    keys = _keys(table, by)
    named = by == "run" or not keys
    seeds = any(len(row.runs) > 1 for row in rows)
    titles = ["run"] * named + [table.titles[key] for key in keys]
    titles += ["seed"] if by == "run" else ["runs"] if seeds else []
    titles.append("outcome")
    cells = []
    for row in rows:
        line = [_name(row)] * named + [word(value) for value in row.settings]
        if by == "run":
            line.append(word(row.runs[0].seed))
        elif seeds:
            line.append(_count(row))
        cells.append([*line, ended(row), *_numbers(table, row, which)])
    metrics = [name if which == "last" else f"best {name}" for name in _metrics(table, which)]
    return Sheet([*titles, *metrics], cells, len(metrics))


def markdown(sheets: Sequence[tuple[str, Sheet]], notes: Sequence[str]) -> str:
    """Tables under their titles, then the notes."""
    parts = []
    for title, one in sheets:
        rule = ["---"] * (len(one.titles) - one.numeric) + ["---:"] * one.numeric
        lines = [one.titles, rule, *one.rows]
        body = "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)
        parts.append(f"{title}\n\n{body}" if title else body)
    parts += ["\n".join(f"- {_escaped(note)}" for note in notes)] if notes else []
    return "\n\n".join(parts) + "\n"


def comma_separated(table: Table, by: By = "group") -> str:
    """Every number in full: of each metric the last and the best, their errors, and how many runs."""
    rows = table.groups if by == "group" else table.single
    keys = list(_keys(table, by))
    bests = [name for name in table.metrics if name in table.better]
    titles = ["run", *keys, *(["seed", "step"] if by == "run" else ["runs", "counted"]), "outcome"]
    for name in table.metrics:
        titles += [name, name + ERROR, *([f"{name}_runs"] if by == "group" else [])]
        titles += [f"{name}_best", f"{name}_best{ERROR}"] if name in bests else []
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(titles)
    for row in rows:
        run = row.runs[0]
        counts = [run.seed, run.step] if by == "run" else [len(row.runs), len(row.counted)]
        line: list[Any] = [row.name, *map(exact, row.settings), *counts, row.outcome]
        for name in table.metrics:
            line += _full(row.last.get(name))
            line += [row.last[name].n if name in row.last else 0] if by == "group" else []
            line += _full(row.best.get(name)) if name in bests else []
        writer.writerow(line)
    return out.getvalue()


def exact(value: Any) -> str:
    """A setting's value as it is typed; what is absent is blank.

    >>> exact("fgan_kl"), exact(0.0001), exact(None), exact([1, "a"]), exact(True)
    ('fgan_kl', '0.0001', '', "[1, 'a']", 'true')
    """
    if value is None:
        return ""
    if isinstance(value, str | int | float | list | tuple | dict):
        return value if isinstance(value, str) else show(value)
    return str(value)  # what yaml knows besides, such as a date


def word(value: Any) -> str:
    """The same with no more than five digits.

    >>> word(0.00168123), word(1e-4), word(64), word(123456)
    ('0.0016812', '0.0001', '64', '123456')
    """
    return f"{value:.5g}" if isinstance(value, float) else exact(value)


def rounded(value: float, error: float | None = None) -> str:
    """The number to the second digit of its error, or to four digits where it has none.

    >>> rounded(12.3456, 0.0678), rounded(0.00012346), rounded(1234567.0), rounded(8.0), rounded(-708.2, 18.1)
    ('12.346 ± 0.068', '0.0001235', '1.235e+06', '8', '-708 ± 18')
    >>> rounded(2.0, 1e-17)
    '2 ± 0'
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if error is None or not math.isfinite(error) or error < 0:
        return f"{value:.4g}"
    if error <= 1e-12 * abs(value):  # rounding's own
        return f"{value:.4g} ± 0"
    exponent = math.floor(math.log10(error))
    if max(abs(value), error) >= 1e6 or error < 1e-5:
        return f"{value:.4g} ± {error:.2g}"
    digits = max(0, 1 - exponent)
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def ended(row: Row) -> str:
    """How the row's runs ended; of one that is under way, how far it is."""
    run = row.runs[0]
    if len(row.runs) > 1 or run.outcome in ("done", "empty", "torn"):
        return row.outcome
    return f"{run.outcome} at {run.step}/{run.steps}" if run.step is not None and run.steps else run.outcome


def _numbers(table: Table, row: Row, which: Which) -> list[str]:
    cells = row.last if which == "last" else row.best
    found = [cells.get(name) for name in _metrics(table, which)]
    fewer = [cell is not None and cell.n < len(row.counted) for cell in found]
    shown = ["" if cell is None else rounded(cell.value, cell.error) for cell in found]
    return [
        f"{text} (of {cell.n})" if less and cell else text
        for text, less, cell in zip(shown, fewer, found, strict=True)
    ]


def _metrics(table: Table, which: Which) -> list[str]:
    """Those that have a number to show: a best one only where a way is better."""
    return [name for name in table.metrics if which == "last" or name in table.better]


def _full(cell: Number | None) -> list[str]:
    if cell is None:
        return ["", ""]
    return [repr(cell.value), "" if cell.error is None else repr(cell.error)]


def _keys(table: Table, by: By) -> Sequence[str]:
    return table.keys if by == "group" else table.differ


def _name(row: Row) -> str:
    return row.name if len(row.runs) < 4 else f"{row.runs[0].name} … {row.runs[-1].name}"


def _count(row: Row) -> str:
    return (
        str(len(row.runs)) if len(row.runs) == len(row.counted) else f"{len(row.counted)} of {len(row.runs)}"
    )


def _escaped(text: str) -> str:
    """The text as markdown shows it and nothing else."""
    for letter in "\\`*<>|":
        text = text.replace(letter, "\\" + letter)
    return " ".join(text.split())
