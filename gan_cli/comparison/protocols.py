"""Whether numbers came about in one way, and in which ways they did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gan_cli.comparison.config import flat
from gan_cli.comparison.numbers import Point
from gan_cli.values import show

_INDIFFERENT = ("at_once",)
"""Settings of metrics that change no number."""


def decisive(settings: Any, but: Sequence[str] = ()) -> Any:
    """The settings of a metric that its numbers depend on, less those named."""
    if not isinstance(settings, Mapping):
        return settings
    return {key: value for key, value in settings.items() if key not in (*_INDIFFERENT, *but)}


def alike(points: Sequence[Point], but: Sequence[str] = ()) -> bool:
    """Whether the numbers may be averaged: as far as is known they have one protocol in words and one in
    settings.

    but: settings that may differ. The words, which hold these too, then count only where settings are
    unknown.
    """
    settings = [decisive(point.settings, but) for point in points if point.settings is not None]
    enough = bool(but) and len(settings) == len(points)
    return all(one == settings[0] for one in settings) and (enough or len(_words(points)) <= 1)


def ways(points: Sequence[Point]) -> str:
    """The protocols of numbers that are not alike; where the words are the same, the settings that differ.

    >>> ways([Point(1.0, 1, None, "by A"), Point(1.0, 1, None, "by B")])
    'by A; or by B'
    >>> ways([Point(1.0, 1, settings={"samples": samples, "k": 5}) for samples in (100, 9)])
    'samples=100; or samples=9'
    """
    if len(words := _words(points)) > 1:
        return "; or ".join(sorted(words))
    settings = [flat(decisive(point.settings)) for point in points if isinstance(point.settings, Mapping)]
    keys = dict.fromkeys(key for one in settings for key in one)
    differ = [key for key in keys if any(one.get(key) != settings[0].get(key) for one in settings)]
    told = [" ".join(f"{key}={show(one.get(key))}" for key in differ) for one in settings]
    return "; or ".join(dict.fromkeys(told))


def _words(points: Sequence[Point]) -> set[str]:
    return {point.about for point in points if point.about is not None}
