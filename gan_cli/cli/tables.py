"""Sheets of text on the terminal; where one is too wide, its numbers go on below."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gan_cli.comparison.text import Sheet

_GAP = 2
_UNBOUNDED = 100_000
_LEAST = 8
"""Columns of text that a setting keeps however narrow the terminal is."""


def show(sheets: Sequence[tuple[str, Sheet]], notes: Sequence[str]) -> None:
    """Print each under its title, then the notes."""
    console = Console(highlight=False, width=_width())
    for number, (title, sheet) in enumerate(sheets):
        if number:
            console.print()
        if title:
            console.print(Text(title, style="bold"), soft_wrap=True)
        for position, part in enumerate(fitted(sheet, console.width)):
            if position:
                console.print()
            console.print(_drawn(part, console.width))
    if notes:
        console.print()
    for note in notes:
        console.print(Text(f"· {note}", style="dim"), soft_wrap=not sys.stdout.isatty())


def fitted(sheet: Sheet, width: int) -> list[Sheet]:
    """The sheet as parts that are no wider, where that can be: all the left columns, some of the numbers.

    Left columns that take more than two thirds of the width become one, of words that can be wrapped.
    """
    if sum(_widths(sheet)) <= width:
        return [sheet]
    left = len(sheet.titles) - sheet.numeric
    if sum(_widths(sheet)[:left]) > width * 2 // 3:
        sheet, left = _joined(sheet, left), 1
    sizes = _widths(sheet)
    room = width - min(sum(sizes[:left]), max(width // 2, _LEAST))
    parts: list[list[int]] = [[]]
    for column in range(left, len(sheet.titles)):
        if parts[-1] and sum(sizes[c] for c in [*parts[-1], column]) > room:
            parts.append([])
        parts[-1].append(column)
    return [_picked(sheet, [*range(left), *columns], len(columns)) for columns in parts]


def _joined(sheet: Sheet, left: int) -> Sheet:
    """The left columns as one: `loss=wgan width=64`."""
    rows = []
    for row in sheet.rows:
        pairs = zip(sheet.titles[:left], row[:left], strict=True)
        words = [f"{title}={cell}" if title else cell for title, cell in pairs if cell]
        rows.append([" ".join(words), *row[left:]])
    return Sheet(["", *sheet.titles[left:]], rows, sheet.numeric)


def _picked(sheet: Sheet, columns: Sequence[int], numeric: int) -> Sheet:
    rows = [[row[c] for c in columns] for row in sheet.rows]
    return Sheet([sheet.titles[c] for c in columns], rows, numeric)


def _widths(sheet: Sheet) -> list[int]:
    columns = zip(sheet.titles, *sheet.rows, strict=True)
    return [max(map(len, column)) + _GAP for column in columns]


def _drawn(sheet: Sheet, width: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    left = len(sheet.titles) - sheet.numeric
    tight = sum(_widths(sheet)) > width
    for column, title in enumerate(sheet.titles):
        if column < left:
            least = min(_LEAST, max(len(title), *(len(row[column]) for row in sheet.rows), 1))
            table.add_column(Text(title), overflow="fold", min_width=least)
        else:
            table.add_column(Text(title), justify="right", no_wrap=not tight, overflow="fold")
    for row in sheet.rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _width() -> int | None:
    """That of the terminal; a file or a pipe has none, unless COLUMNS says one."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal():
        return None
    return _UNBOUNDED
