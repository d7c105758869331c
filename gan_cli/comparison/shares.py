"""Of several settings that were judged on the same images: in which share of the images each is best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from gan_cli.comparison.config import at
from gan_cli.comparison.runs import Run, number
from gan_cli.comparison.table import Row

_IMAGES = ("settings.images", "settings.examples", "settings.seed", "settings.pixel_range")


class Contest(NamedTuple):
    """percent: of each contender one number a seed; problem: why there is none, or None."""

    percent: list[list[float]]
    problem: str | None = None


def shares(least: Sequence[Sequence[float]]) -> list[float]:
    """The per cent of columns in which each line has the smallest value; equals share one.

    least: [contenders][images]. NaN loses against every number.

    >>> shares([[1.0, 2.0, 5.0, 1.0], [2.0, 1.0, 4.0, 1.0]])
    [37.5, 62.5]
    """
    won = [0.0] * len(least)
    images = 0
    for image in zip(*least, strict=True):
        numbers = [value for value in image if value == value]
        if not numbers:
            continue
        images += 1
        winners = [index for index, value in enumerate(image) if value == min(numbers)]
        for index in winners:
            won[index] += 1 / len(winners)
    return [100 * count / images if images else float("nan") for count in won]


def contest(name: str, rows: Sequence[Row]) -> Contest:
    """Each row's share of the images, for every seed of which all rows have a run.

    name: the values an image, as evaluation.json has them. Rows without such values take no part.
    """
    judged = [{run.seed: values for run in row.counted if (values := _values(name, run))} for row in rows]
    taking = [index for index, found in enumerate(judged) if found]
    percent: list[list[float]] = [[] for _ in rows]
    if len(taking) < 2:
        return Contest(percent, f"a share of {name} takes two settings at least" if taking else None)
    marks = {mark for index in taking for mark, _ in judged[index].values()}
    if len(marks) > 1:
        return Contest(percent, f"no share: the runs' {name} are of different images")
    seeds = sorted(set.intersection(*(set(judged[index]) for index in taking)), key=str)
    for seed in seeds:
        won = shares([judged[index][seed][1] for index in taking])
        for index, value in zip(taking, won, strict=True):
            percent[index].append(value)
    return Contest(percent, None if seeds else f"no share of {name}: the settings have no seed in common")


def _values(name: str, run: Run) -> tuple[Any, list[float]] | None:
    """Which images, and their values; of the latest step and, in it, what was written last."""
    latest: tuple[int, dict[str, Any]] | None = None
    for entry in run.evaluations:
        if isinstance(at(entry, f"per_example.{name}"), list):
            step = int(number(entry["step"]) or 0)
            latest = (step, entry) if latest is None or step >= latest[0] else latest
    if latest is None:
        return None
    values = [number(value) for value in latest[1]["per_example"][name]]
    data = {key: value for key, value in run.config.law.items() if key.split(".")[0] == "data"}
    mark = repr((len(values), [at(latest[1], key) for key in _IMAGES], sorted(data.items())))
    return mark, [float("nan") if value is None else value for value in values]
