"""In which settings runs differ, and how these are called in short."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from gan_cli.comparison.config import Values
from gan_cli.comparison.runs import Run
from gan_cli.schema import LISTS, TARGET

ABSENT = object()
"""Stands for a key that a run does not have."""


def differing(runs: Sequence[Run]) -> list[str]:
    """The keys in whose values the runs differ, options first.

    Where two runs chose different options of a group, the keys below it differ of themselves: they are
    compared among runs of one option only, and the settings of a trick among runs that have it.
    """
    laws = [run.config.law for run in runs if run.config.values]
    keys = list(dict.fromkeys(key for law in laws for key in law))
    tops = {key for run in runs for key in run.config.options} | {"trick"}
    found = [key for key in keys if _differs(key, laws, tops)]
    return sorted(found, key=lambda key: (key not in tops, keys.index(key)))


def identity(law: Values, keys: Iterable[str]) -> tuple[Any, ...]:
    """What runs of one group have in common."""
    return tuple(law.get(key, ABSENT) for key in keys)


def short_names(keys: Sequence[str], every: Iterable[str]) -> dict[str, str]:
    """The shortest end of each key that ends no other of `every` key, nor names a node above one.

    >>> every = ["steps", "trick.unrolled.steps", "model.latent", "loss.generator", "model.generator.width"]
    >>> list(short_names(["trick.unrolled.steps", "model.latent", "loss.generator"], every).values())
    ['unrolled.steps', 'latent', 'loss.generator']
    """
    taken: dict[str, set[str]] = {}
    for key in dict.fromkeys([*every, *keys]):
        parts = key.split(".")
        for node in (".".join(parts[: n + 1]) for n in range(len(parts))):
            pieces = node.split(".")
            for start in range(len(pieces)):
                taken.setdefault(".".join(pieces[start:]), set()).add(node)
    short = {key: _short(key, taken) for key in keys}
    count = Counter(short.values())
    return {key: name if count[name] == 1 else key for key, name in short.items()}


def _short(key: str, taken: dict[str, set[str]]) -> str:
    parts = key.split(".")
    if parts[-1] == TARGET:  # the class's name is shown, under the name of its node
        return ".".join(parts[:-1]) or key
    for start in reversed(range(len(parts))):
        end = ".".join(parts[start:])
        if taken[end] == {key}:
            return end
    return key


def _differs(key: str, laws: Sequence[Values], tops: Iterable[str]) -> bool:
    kinds: dict[Any, set[Any]] = {}
    for law in laws:
        if (kind := _kind(key, law, tops)) is not None:
            kinds.setdefault(kind, set()).add(law.get(key, ABSENT))
    return any(len(values) > 1 for values in kinds.values())


def _kind(key: str, law: Values, tops: Iterable[str]) -> Any:
    """What a run must share with another for this key of theirs to be compared; None: the run has no part."""
    top, _, inner = key.partition(".")
    if not inner or top not in tops:
        return ()
    if top in LISTS:
        name = inner.split(".")[0]
        return () if any(k.startswith(f"{top}.{name}.") for k in law) else None
    return (law.get(top, ABSENT),)
