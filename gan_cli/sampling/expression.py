"""What `what=arithmetic` is asked for: a sum of groups, and who is in each. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from gan_cli.errors import InputError, nearest

GROUPS = ("a", "b", "c", "d")
_TERM = re.compile(r"([+-]?)(?:(\d+(?:\.\d*)?|\.\d+)\*?)?([A-Za-z]\w*)")
_LABEL = "label"
MOST = 100_000
"""Samples that are numbered."""


class Numbers(NamedTuple):
    """Samples of the numbered grid."""

    numbers: tuple[int, ...]


class Label(NamedTuple):
    """Samples that a classifier takes for one class, which is given by its name or its index."""

    name: str


Members = Numbers | Label


def terms(expression: str) -> dict[str, float]:
    """The coefficient of each group in a sum such as `a - b + c` or `a + 0.5*b`.

    Raises InputError for what is no such sum, and for a group other than a, b, c and d.

    >>> terms("a - b + 0.5*c")
    {'a': 1.0, 'b': -1.0, 'c': 0.5}
    """
    text, found, at = "".join(expression.split()), dict[str, float](), 0
    while at < len(text):
        match = _TERM.match(text, at)
        if match is None or (at and not match[1]):
            raise InputError(f"expression={expression}: write a sum of groups, such as 'a - b + c'")
        sign, factor, name = match.groups()
        if name not in GROUPS:
            hint = nearest(name, GROUPS) or f"; there are {', '.join(GROUPS)}"
            raise InputError(f"expression={expression}: there is no group {name}{hint}")
        if name in found:
            raise InputError(f"expression={expression}: {name} stands in it twice; write 2*{name}")
        found[name], at = float(f"{sign}{factor or 1}"), match.end()
    if not found:
        raise InputError("expression= names no group: write a sum of them, such as 'a - b + c'")
    return found


def members(name: str, value: str | Sequence[int] | None) -> Members:
    """Who is in group `name`, as the command line has it. Raises InputError.

    >>> members("a", [3, 17]), members("b", "label:3"), members("c", "5")
    (Numbers(numbers=(3, 17)), Label(name='3'), Numbers(numbers=(5,)))
    """
    usage = f"write {name}=[3,17,40], numbers of what=grid numbers=true, or {name}=label:<class>"
    if value is None or value == [] or value == "":
        raise InputError(f"{name} is in the expression and has no samples: {usage}")
    if isinstance(value, str) and not value.isdecimal():
        kind, _, label = value.partition(":")
        if kind != _LABEL or not label.strip():
            raise InputError(f"{name}={value}: {usage}")
        return Label(label.strip())
    numbers = tuple(int(number) for number in ([value] if isinstance(value, str) else value))
    for number in numbers:
        if number < 0:
            raise InputError(f"{name}={list(numbers)}: samples are numbered from 0, got {number}")
        if number >= MOST:
            raise InputError(f"{name}={list(numbers)}: samples are numbered up to {MOST - 1}, got {number}")
        if numbers.count(number) > 1:
            raise InputError(f"{name}={list(numbers)}: sample {number} stands in it twice")
    return Numbers(numbers)


def shown(coefficients: dict[str, float]) -> str:
    """The sum as one reads it.

    >>> shown({"a": 1.0, "b": -0.5})
    'a - 0.5 b'
    """
    text = ""
    for name, factor in coefficients.items():
        sign = ("-" if factor < 0 else "") if not text else (" - " if factor < 0 else " + ")
        text += f"{sign}{'' if abs(factor) == 1 else f'{abs(factor):g} '}{name}"
    return text
