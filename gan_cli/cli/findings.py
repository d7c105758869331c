"""Numbers of many runs as tables on the terminal, each under the protocol that it came about by."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gan_cli.comparison.text import rounded
from gan_cli.observers.evaluations import Entry

_ERROR = "_error"
_WIDE = 1000
"""Columns where the output is no terminal: no line is broken there."""


Finding = tuple[str, Entry]
"""A run, and what one metric found of it."""


def show(found: Iterable[Finding]) -> None:
    """Print a table for each metric and protocol, with a line for each number of each run."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for run, entry in found:
        groups.setdefault((entry["metric"], entry["about"]), []).append((run, entry))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
    with console.capture() as captured:  # rich ends the process where nobody reads on
        for (metric, about), several in groups.items():
            console.print(f"{metric}: {about}", soft_wrap=True, markup=False)
            console.print(_table(several))
    print(captured.get(), end="", flush=True)


def _table(several: Iterable[Finding]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("  run", "step", "number", "value", "better"):
        table.add_column(title, justify="right" if title == "step" else "left", overflow="fold")
    for run, entry in several:
        where, values = (f"  {run}", str(entry["step"])), entry["values"]
        for name, value in values.items():
            if name.endswith(_ERROR) and name.removesuffix(_ERROR) in values:
                continue
            text = rounded(value, values.get(f"{name}{_ERROR}"))
            # As Text: in a string rich reads what stands in brackets as its own.
            table.add_row(*map(Text, (*where, name, text, entry["better"].get(name, ""))))
            where = "", ""
    return table
