"""What constructors say of a value that cannot be: ValueError("<argument> must be <rule>, got <value>").

A hyper-parameter may also be a 0-d tensor, which a sweep maps over; tensors pass unread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor


def require(holds: bool, argument: str, rule: str, value: object) -> None:
    """Raise ValueError("<argument> must be <rule>, got <value>") unless it holds.

    >>> require(1 < 0, "pi", "in (0, 1)", 2.0)
    Traceback (most recent call last):
    ValueError: pi must be in (0, 1), got 2.0
    """
    if not holds:
        raise ValueError(f"{argument} must be {rule}, got {value!r}")


def at_least_one(**values: float | Tensor) -> None:
    """Raise ValueError unless every value is finite and at least 1."""
    _finite(values, "at least 1", lambda value: value >= 1)


def positive(**values: float | Tensor) -> None:
    """Raise ValueError unless every value is finite and above 0."""
    _finite(values, "above 0", lambda value: value > 0)


def nonnegative(**values: float | Tensor) -> None:
    """Raise ValueError unless every value is finite and at least 0."""
    _finite(values, "at least 0", lambda value: value >= 0)


def fraction(**values: float | Tensor) -> None:
    """Raise ValueError unless every value is at least 0 and below 1."""
    _finite(values, "at least 0 and below 1", lambda value: 0 <= value < 1)


def one_of(argument: str, value: object, options: Sequence[object]) -> None:
    """Raise ValueError unless `value` is one of the options."""
    require(value in options, argument, f"one of {', '.join(map(str, options))}", value)


def _finite(values: Mapping[str, float | Tensor], rule: str, holds: Callable[[float], bool]) -> None:
    for argument, value in values.items():
        require(isinstance(value, Tensor) or (math.isfinite(value) and holds(value)), argument, rule, value)
