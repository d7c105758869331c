"""Holding a value from a config file or a command line to a Python annotation.

This module imports nothing but the standard library, so that a refused override is answered at once.
"""

from __future__ import annotations

import difflib
import math
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin

_SEQUENCES: tuple[Any, ...] = (list, tuple, Sequence)


def show(value: Any) -> str:
    """The value as a user would write it: null, true, 'text', [1, 2].

    >>> show([None, True, "a", 1e-4])
    "[null, true, 'a', 0.0001]"
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return "[" + ", ".join(show(v) for v in value) + "]"
    return repr(value) if isinstance(value, str | int | float | dict) else type(value).__name__


def fit(value: Any, wanted: Any, infinite: bool = False) -> Any:
    """The value as the annotation `wanted` has it, or ValueError("must be …, got …").

    Whole floats pass for int (`steps=1e5`), ints for float, lists for tuples, yaml's bare on and off
    (which it reads as true and false) for the words. Not-a-number is refused, infinity too unless
    `infinite`. What an annotation does not settle (Any, Callable, a protocol) passes unchanged.

    >>> fit(1e5, int), fit([0, 1], tuple[float, float]), fit(False, Literal["on", "off"])
    (100000, (0.0, 1.0), 'off')
    """
    if isinstance(wanted, type) and wanted in _SCALARS:
        return _SCALARS[wanted](value, infinite)
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        return fit(value, inner[0], infinite)
    if origin in (Union, types.UnionType):
        return _one_of(value, inner, wanted, infinite)
    if origin is Literal:
        return _literal(value, inner)
    if origin in _SEQUENCES or wanted in _SEQUENCES:
        return _sequence(value, wanted, infinite)
    if wanted is None or wanted is type(None):
        return value if value is None else _refuse(wanted, value)
    if origin in (dict, Mapping) or wanted in (dict, Mapping):
        return value if isinstance(value, Mapping) else _refuse(wanted, value)
    return _instance(value, wanted)


def describe(wanted: Any) -> str:
    """The annotation in words.

    >>> describe(int | None), describe(tuple[float, float]), describe(Literal["a", "b"])
    ('a whole number or null', 'a list of 2 numbers', 'one of a, b')
    """
    if wanted in _WORDS:
        return _WORDS[wanted]
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        return describe(inner[0])
    if origin in (Union, types.UnionType):
        return " or ".join(describe(kind) for kind in inner)
    if origin is Literal:
        return "one of " + ", ".join(str(option) for option in inner)
    if origin in _SEQUENCES:
        many = {int: "whole numbers", float: "numbers", str: "words"}.get(inner[0], "values")
        fixed = origin is tuple and Ellipsis not in inner
        return f"a list of {len(inner)} {many}" if fixed else f"a list of {many}"
    return f"a {getattr(wanted, '__name__', wanted)}"


def _refuse(wanted: Any, value: Any, hint: str = "") -> NoReturn:
    raise ValueError(f"must be {describe(wanted)}, got {show(value)}{hint}")


def _bool(value: Any, _: bool) -> bool:
    return value if isinstance(value, bool) else _refuse(bool, value)


def _int(value: Any, _: bool) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else _refuse(int, value)


def _float(value: Any, infinite: bool) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        _refuse(float, value)
    if math.isnan(value) or (math.isinf(value) and not infinite):
        raise ValueError(f"must be a finite number, got {value}")
    return float(value)


def _str(value: Any, _: bool) -> str:
    if isinstance(value, int) and not isinstance(value, bool):  # a folder or a name made of digits
        return str(value)
    return value if isinstance(value, str) else _refuse(str, value)


def _path(value: Any, infinite: bool) -> Path:
    return value if isinstance(value, Path) else Path(_str(value, infinite))


_SCALARS: dict[type, Callable[[Any, bool], Any]] = {
    bool: _bool,
    int: _int,
    float: _float,
    str: _str,
    Path: _path,
}
_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    None: "null",
    type(None): "null",
    list: "a list",
    tuple: "a list",
    dict: "a mapping",
}


def _one_of(value: Any, kinds: tuple[Any, ...], wanted: Any, infinite: bool) -> Any:
    for kind in kinds:
        try:
            return fit(value, kind, infinite)
        except ValueError:
            continue
    _refuse(wanted, value)


def _literal(value: Any, options: tuple[Any, ...]) -> Any:
    if isinstance(value, bool) and value not in options:
        value = "on" if value else "off"
    if any(value == option and type(value) is type(option) for option in options):
        return value
    # They are all listed, so a guess is worth a word only where it is a good one.
    near = difflib.get_close_matches(str(value), [str(option) for option in options], n=1, cutoff=0.7)
    _refuse(Literal[options], value, f" (did you mean '{near[0]}'?)" if near else "")


def _sequence(value: Any, wanted: Any, infinite: bool) -> Any:
    origin, inner = get_origin(wanted) or wanted, get_args(wanted)
    if not isinstance(value, list | tuple):
        _refuse(wanted, value)
    fixed = origin is tuple and inner and Ellipsis not in inner
    if fixed and len(inner) != len(value):
        _refuse(wanted, value)
    kinds = inner if fixed else (inner[:1] or (Any,)) * len(value)
    try:
        items = [fit(item, kind, infinite) for item, kind in zip(value, kinds, strict=True)]
    except ValueError:
        _refuse(wanted, value)
    return items if origin is list else tuple(items)


def _instance(value: Any, wanted: Any) -> Any:
    try:
        fits = isinstance(value, wanted)
    except TypeError:  # Any, a protocol, a type variable: nothing to hold the value to
        return value
    return value if fits else _refuse(wanted, value)
