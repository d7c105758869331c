"""The jobs of a sweep before it starts: all or, where a sweeper chooses as it goes, examples of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override

from gan_cli.errors import InputError
from gan_cli.schema import TARGET

_MOST = 100  # values of one key that are looked at
_WITHIN = 0.6180339887  # how far up an interval one more value is looked at: no simple fraction


def jobs(sweeper: Mapping[str, Any], lines: Sequence[str]) -> list[list[str]]:
    """The overrides of each job that the sweeper makes of the lines, or of the examples that it may make.

    sweeper: its node in Hydra's config. Raises InputError for an interval where each value must be known.
    """
    params = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items()]
    parsed = OverridesParser.create().parse_overrides([*params, *lines])
    if sweeper.get(TARGET) != f"{BasicSweeper.__module__}.{BasicSweeper.__name__}":
        return list(_examples(parsed))
    for override in parsed:
        if override.is_interval_sweep():
            raise InputError(
                f"{override.input_line}: an interval has no list of values; name them, use range(), or let "
                "hydra/sweeper=optuna choose"
            )
    found: list[list[str]] = BasicSweeper.split_arguments(parsed, None)[0]
    return found


def bound(lines: Sequence[str]) -> list[str]:
    """The overrides, those of settings within a group as sweeps over their one value.

    Hydra composes what is not swept by itself, where a setting that only the swept options have is none.

    >>> bound(["model=nade,made", "model.density.ordering=random", "seed=1"])
    ['model=nade,made', 'model.density.ordering=choice(random)', 'seed=1']
    """
    found = []
    for line, override in zip(lines, OverridesParser.create().parse_overrides(list(lines)), strict=True):
        key, _, value = line.partition("=")
        fixed = not (override.is_sweep_override() or override.is_delete() or override.is_hydra_override())
        found.append(f"{key}=choice({value})" if "." in key and "@" not in key and value and fixed else line)
    return found


def refuse_alone(lines: Sequence[str]) -> None:
    """Raise InputError for what only a sweep heeds, in the overrides of a command that is none."""
    for line in lines:
        if re.match(r"[+~]*hydra[/.](launcher|sweeper)\b", line):
            raise InputError(f"{line} is for a sweep, which this is not: add --multirun, or leave it out")


def _examples(parsed: Sequence[Override]) -> Iterator[list[str]]:
    """Jobs in which each value of a choice and both ends of each interval stand once at least."""
    lines = {override.get_key_element(): _lines(override) for override in parsed}  # the later of two holds
    usual = {key: found[0] for key, found in lines.items() if found}
    yield list(usual.values())
    for key, found in lines.items():
        for line in found[1:]:
            yield list((usual | {key: line}).values())


def _between(interval: IntervalSweep) -> list[float]:
    """A value that is not whole, where the interval has such: its ends may be whole by chance."""
    low, high = interval.start, interval.end
    if not (isinstance(low, float) and isinstance(high, float)):
        return []
    return [low + _WITHIN * (high - low)]


def _lines(override: Override) -> list[str]:
    """The override with each of its values."""
    value, key = override.value(), override.get_key_element()
    if isinstance(value, IntervalSweep):
        return [f"{key}={one}" for one in (value.start, value.end, *_between(value))]
    if override.is_sweep_override():
        return [f"{key}={one}" for one in islice(override.sweep_string_iterator(), _MOST)]
    return [str(override.input_line)]
