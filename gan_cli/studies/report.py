"""What a study leaves: a table, its numbers, and pictures."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from gan_cli.files import write_atomic
from gan_cli.observers.metrics_log import plain_tree
from gan_cli.studies.base import Desk


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Mean ± standard deviation over seeds (n − 1 in the denominator); the number alone where there is one.

    >>> spread([1.0, 2.0, 3.0], 2), spread([0.5], 1)
    ('2.00 ± 1.00', '0.5')
    """
    mean = f"{statistics.fmean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def magnitude(values: Sequence[float]) -> str:
    """Geometric mean of numbers of any size, times or divided by the geometric deviation.

    >>> magnitude([1e-3, 1e-1]), magnitude([0.0, 1.0])
    ('1.0e-02 ×÷ 26', '0 … 1.0e+00')
    """
    if min(values) <= 0:
        return f"{min(values):.1g} … {max(values):.1e}"
    mean = statistics.geometric_mean(values)
    if len(values) == 1:
        return f"{mean:.1e}"
    factor = math.exp(statistics.stdev(map(math.log, values)))
    return f"{mean:.1e} ×÷ {factor:.2g}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table.

    >>> print(table(["a", "b"], [["1", "2"]]), end="")
    | a | b |
    |---|---|
    | 1 | 2 |
    """
    lines = [list(header), ["---"] * len(header), *map(list, rows)]
    text = ["| " + " | ".join(line) + " |" for line in lines]
    text[1] = "|" + "---|" * len(header)
    return "\n".join(text) + "\n"


def leave(desk: Desk, text: str, results: Mapping[str, Any], pictures: Mapping[str, bytes]) -> None:
    """Write table.md, results.json and the pictures into the desk's folder, and say the table."""
    write_atomic(desk.folder / "table.md", text)
    write_atomic(desk.folder / "results.json", json.dumps(plain_tree(results), indent=1, allow_nan=False))
    for name, picture in pictures.items():
        write_atomic(desk.folder / f"{name}.png", picture)
    desk.say(text)
