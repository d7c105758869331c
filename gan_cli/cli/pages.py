"""The pages that `gan-sample` draws of images: interpolations, sums of latents, nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from PIL.Image import Image
from torch import Tensor

from gan_cli.cli.desk import Desk
from gan_cli.data.base import Table
from gan_cli.errors import InputError, nearest
from gan_cli.evaluation.features import Scores, extractor
from gan_cli.sampling import arithmetic, expression, sheet
from gan_cli.sampling.draws import Part, first
from gan_cli.sampling.expression import Label
from gan_cli.sampling.latents import of_one_class
from gan_cli.sampling.neighbours import neighbours
from gan_cli.walks import walk

_ROWS, _STEPS, _SEARCHED = 8, 10, 4096
_SHOWN = 4
"""Members of a group that are shown; its mean is that of all."""


def interpolation(desk: Desk) -> Image:
    """A row for each way from sample 2i to sample 2i + 1, of circles one through both, in the class of the
    first."""
    rows, columns = desk.config["rows"], desk.config["columns"] or _STEPS
    sheet.refuse_huge(rows * columns, desk.shape, f"rows={rows}", "set fewer rows or columns")
    ends = desk.first(2 * rows).latents
    learner = desk.opened.experiment.plain
    kind, condition = learner.latent_kind, learner.condition
    way = walk(ends[::2], ends[1::2], columns, desk.config["path"], kind, condition)
    return sheet.page(sheet.tiles(desk.maker(way.flatten(0, 1)), desk.pixel_range), columns)


def closest(desk: Desk) -> Image:
    """A row for each sample: the sample with its number, and its nearest training examples with their
    distances in pixels on [0, 1]."""
    n, k = desk.config["n"] or _ROWS, desk.config["k"]
    sheet.refuse_huge(n * (k + 1), desk.shape, f"n={n} k={k}", "set a smaller n or k")
    samples = desk.first(n).examples
    found = neighbours(samples, desk.training(), k)
    low, high = desk.pixel_range
    captions = [
        text
        for number, row in enumerate(found.distances / (high - low))
        for text in [str(number), *(f"{distance:.2f}" for distance in row.tolist())]
    ]
    rows = torch.cat([samples[:, None], found.examples], 1)
    tiles = sheet.tiles(rows.flatten(0, 1), desk.pixel_range)
    return sheet.page(tiles, rows.shape[1], captions, gaps=[0])


def sums(desk: Desk) -> Image:
    """The groups' samples over what their mean latents give, and the sum with others around it."""
    config, coefficients = desk.config, expression.terms(desk.config["expression"])
    groups = {name: expression.members(name, config[name]) for name in coefficients}
    labels = {name: group.name for name, group in groups.items() if isinstance(group, Label)}
    numbers = {name: [*group.numbers] for name, group in groups.items() if not isinstance(group, Label)}
    numbers |= _labelled(desk, labels) if labels else {}
    wanted = sorted({number for group in numbers.values() for number in group})
    there = arithmetic.chosen(desk.parts(), wanted)
    samples = {name: _picked(there, wanted, numbers[name]) for name in coefficients}
    latents = {name: part.latents for name, part in samples.items()}
    condition = desk.opened.experiment.plain.condition
    total = of_one_class(arithmetic.combined(coefficients, latents), condition)
    around = arithmetic.surrounded(total, config["noise"], desk.streams.at("arithmetic", 0), condition)
    parts: list[Image | str] = []
    for name, factor in coefficients.items():
        sign = "-" if factor < 0 else "+" if parts else ""
        weight = "" if abs(factor) == 1 else f"{abs(factor):g}"
        parts += [text for text in [sign + weight] if text]
        parts.append(_column(desk, samples[name], numbers[name]))
    result = sheet.page(sheet.tiles(desk.maker(around), desk.pixel_range), 3)
    said = ", ".join(f"{name}: {label}" for name, label in labels.items())
    title = expression.shown(coefficients) + (f"   ({said})" if said else "")
    return sheet.beside([*parts, "=", result], title)


def _picked(there: Part, numbers: list[int], wanted: list[int]) -> Part:
    index = torch.tensor([numbers.index(number) for number in wanted])
    return Part(there.latents[index], there.examples[index])


def _column(desk: Desk, group: Part, numbers: list[int]) -> Image:
    """Some of a group's samples, and below them what the mean of all its latents gives."""
    middle = of_one_class(group.latents.mean(0, keepdim=True), desk.opened.experiment.plain.condition)
    mean = desk.maker(middle)
    images = torch.cat([group.examples[:_SHOWN], mean])
    names = [str(number) for number in numbers[:_SHOWN]]
    captions = [*names, "mean" if len(numbers) <= _SHOWN else f"mean of {len(numbers)}"]
    tiles = sheet.tiles(images, desk.pixel_range)
    return sheet.page(tiles, 1, captions, gaps=[len(names) - 1], across=False)


def _labelled(desk: Desk, labels: Mapping[str, str]) -> dict[str, list[int]]:
    """The numbers of samples that the data's own classifier takes for each group's class."""
    dataset, config = desk.opened.experiment.dataset, desk.config
    classifier = extractor("classifier", dataset)
    assert isinstance(classifier, Scores)
    dataset.preflight()
    classifier.preflight()
    device = desk.opened.experiment.device

    def logits(x: Tensor) -> Tensor:
        return classifier.logits(x.to(device)).cpu()

    count = logits(torch.zeros(1, *desk.shape)).shape[1]
    data = desk.opened.run.data
    names = data.class_names if isinstance(data, Table) else ()
    wanted = {name: _class(name, label, names, count) for name, label in labels.items()}
    parts = first(desk.parts(), config["n"] or _SEARCHED)
    return arithmetic.labelled(parts, logits, wanted, config["members"], config["confidence"])


def _class(group: str, label: str, names: tuple[str, ...], count: int) -> int:
    """The index of a class that is given by its name or its index."""
    if label in names:
        return names.index(label)
    if label.isdecimal() and int(label) < count:
        return int(label)
    known = (not label.isdecimal() and nearest(label, names)) or (
        f"; there are {', '.join(names[:20])}" if names else ""
    )
    raise InputError(f"{group}=label:{label}: the data has the classes 0 to {count - 1}{known}")


DRAWN: dict[str, Callable[[Desk], Image]] = {
    "interpolation": interpolation,
    "arithmetic": sums,
    "neighbours": closest,
}
