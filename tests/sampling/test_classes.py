"""Latents that end with a class: whatever is done to them, the class stays a row of the identity."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from gan_cli.evaluation.inversion import Inversion
from gan_cli.metrics.base import Subject
from gan_cli.sampling.arithmetic import surrounded
from gan_cli.sampling.latents import Latents, of_one_class
from gan_cli.walks import Path, walk
from tests.test_combinations import built
from tests.test_conditional import CLASSES, DATA, conditional

PATHS: tuple[Path, ...] = ("auto", "slerp", "lerp", "circle")


def is_row_of_identity(label: Tensor) -> bool:
    return bool(((label == 0) | (label == 1)).all() and (label.sum(-1) == 1).all())


def test_latents_keep_their_classes() -> None:
    game, *_ = conditional("concat")
    whole, cut = (Latents(game, 1, truncation).part(0) for truncation in (None, 0.3))
    assert cut[:, :4].abs().max() <= 0.3
    assert torch.equal(cut[:, 4:], whole[:, 4:])
    a, b = whole[:8], whole[8:16]
    for path in PATHS:
        way = walk(a, b, 6, path, "normal", CLASSES)
        assert torch.equal(way[..., 4:], a[:, None, 4:].expand(-1, 6, -1))
        assert torch.equal(way[..., :4], walk(a[:, :4], b[:, :4], 6, path, "normal"))
    middle = of_one_class(whole[:5].mean(0), CLASSES)
    assert is_row_of_identity(middle[4:])
    assert middle[4:].argmax() == whole[:5, 4:].sum(0).argmax()
    nine = surrounded(middle, 0.5, torch.Generator(), CLASSES)
    assert torch.equal(nine[:, 4:], middle[4:].expand(9, -1))
    assert not torch.equal(nine[0, :4], nine[4, :4])


def test_inversion_stays_in_the_class_of_its_start() -> None:
    game, feed, streams = conditional("concat")
    state, asked = game.init(0), list[Tensor]()
    x = game.prepare(feed.batch(0)).double()

    def generate(latent: Tensor) -> Tensor:
        asked.append(latent.detach())
        return game.sample(state, latent)

    draw: Any = partial(lambda g, n: x[:n])
    subject = Subject(
        0, (1, 8, 8), (-1.0, 1.0), draw, draw, None, 20, None, game.latents, generate, streams, CLASSES
    )
    found = Inversion(built(*DATA).dataset, images=4, restarts=2, evaluations=20).measure(subject)
    assert all(is_row_of_identity(latent[:, 4:]) for latent in asked)
    begin = game.latents(streams.at("inversion/starts", 0), 8)
    least = (
        (game.sample(state, begin).unflatten(0, (4, 2)) - x[:4, None])
        .square()
        .flatten(2)
        .mean(2)
        .min(1)
        .values
    )
    assert (found.per_example["inversion_mse"] < least).all()


def test_all_samples_are_of_the_class_that_is_asked_for() -> None:
    game, *_ = conditional("concat")
    plain, last = (Latents(game, 1, None, label).part(0) for label in (None, CLASSES - 1))
    assert torch.equal(plain[:, : -game.condition], last[:, : -game.condition])
    assert last[:, -game.condition :].argmax(1).tolist() == [CLASSES - 1] * len(last)
    with pytest.raises(ValueError, match=f"label must be one of 0 to {CLASSES - 1}, got {CLASSES}"):
        Latents(game, 1, None, CLASSES)
    with pytest.raises(ValueError, match="null for a model that is told no class"):
        Latents(built("model=mlp").game, 1, None, 0)
