"""Of several settings that were judged on the same images: in which share of the images each is best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from gan_cli.comparison import protocols
from gan_cli.comparison.config import at
from gan_cli.comparison.numbers import Point
from gan_cli.comparison.runs import Run, number
from gan_cli.comparison.table import Row

_DIGEST = "_digest"
"""After a name: by which the images are known again, one number each."""


class Contest(NamedTuple):
    """percent: of each contender one number a seed; problem: why there is none, or what is not sure about it,
    or None."""

    percent: list[list[float]]
    problem: str | None = None


class Judged(NamedTuple):
    """A run's values, an image each; mark: what says which images these are; digests: of the images
    themselves, None where they were not kept; settings: of the metric."""

    values: list[float]
    mark: str
    digests: str | None
    settings: Any


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

    name: the values an image, as evaluation.json has them. Rows without such values take no part. There is no
    contest where the images differ, or the settings by which they were judged.
    """
    judged = [{run.seed: values for run in row.counted if (values := _values(name, run))} for row in rows]
    taking = [index for index, found in enumerate(judged) if found]
    percent: list[list[float]] = [[] for _ in rows]
    if len(taking) < 2:
        return Contest(percent, f"a share of {name} takes two settings at least" if taking else None)
    if problem := _problem(name, [one for index in taking for one in judged[index].values()]):
        return Contest(percent, problem)
    seeds = sorted(set.intersection(*(set(judged[index]) for index in taking)), key=str)
    for seed in seeds:
        won = shares([judged[index][seed].values for index in taking])
        for index, value in zip(taking, won, strict=True):
            percent[index].append(value)
    if not seeds:
        return Contest(percent, f"no share of {name}: the settings have no seed in common")
    known = all(one.digests is not None for index in taking for one in judged[index].values())
    doubt = f"shares of {name}: some runs kept no digests of their images, which are taken for the same"
    return Contest(percent, None if known else doubt)


def _problem(name: str, judged: Sequence[Judged]) -> str | None:
    """Why the values of an image cannot be held against one another, or None."""
    digests = {one.digests for one in judged if one.digests is not None}
    if len({one.mark for one in judged}) > 1 or len(digests) > 1:
        return f"no share: the runs' {name} are of different images"
    points = [Point(0.0, None, settings=one.settings) for one in judged]
    if not protocols.alike(points):
        return f"no share: the runs' {name} were measured in different ways: {protocols.ways(points)}"
    return None


def _values(name: str, run: Run) -> Judged | None:
    """The values of the latest step and, in it, what was written last."""
    latest: tuple[int, dict[str, Any]] | None = None
    for entry in run.evaluations:
        if isinstance(at(entry, f"per_example.{name}"), list):
            step = int(number(entry["step"]) or 0)
            latest = (step, entry) if latest is None or step >= latest[0] else latest
    if latest is None:
        return None
    entry = latest[1]
    values = [number(value) for value in entry["per_example"][name]]
    digests = at(entry, f"per_example.{name}{_DIGEST}")
    data = {key: value for key, value in run.config.law.items() if key.split(".")[0] == "data"}
    which = [at(entry, f"settings.{key}") for key in ("images", "examples", "seed")]
    return Judged(
        [float("nan") if value is None else value for value in values],
        repr((len(values), which, sorted(data.items()))),
        None if digests is None else repr(digests),
        entry.get("settings"),
    )
