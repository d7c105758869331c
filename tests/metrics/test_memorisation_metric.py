"""Memorisation as a run measures it: planted copiers, faultless generators, pictures and refusals."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gan_cli.data.base import ImageSet, Sampler
from gan_cli.data.digits import Digits
from gan_cli.data.mnist import MNIST
from gan_cli.data.synthetic import Mixture, Ring
from gan_cli.errors import InputError
from gan_cli.evaluation import memorisation
from gan_cli.evaluation.features import Features
from gan_cli.evaluation.memorisation import Memorisation
from gan_cli.metrics.base import Subject
from tests.metrics.subjects import LATENT, copier, randn, subject

DATA = Digits(size=8, split="train", pixel_range=(-1.0, 1.0))


@cache
def dealt() -> tuple[Tensor, ...]:
    """Training, unseen and fresh digits of one law: dealt at random, for the split goes by writers."""
    x = DATA.prepare(torch.from_numpy(np.asarray(Digits(size=8).load().images)))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    training, unseen, fresh = x[order].split([997, 400, 400])
    return training, unseen, fresh


@dataclass(frozen=True, kw_only=True)
class Stacked(ImageSet):
    """A law of images with a test split of its own."""

    split: str = "train"

    def held_out(self) -> Stacked | None:
        return replace(self, split="test")

    def load(self) -> Sampler:
        return Ring().load()


def digits(generate: Callable[[Tensor], Tensor], seed: int = 0) -> Subject:
    training, unseen, _ = dealt()
    return subject(training, generate, unseen, (-1.0, 1.0), seed=seed)


def test_a_copier_of_images_is_caught_and_fresh_images_are_not() -> None:
    training, _, fresh = dealt()
    metric = Memorisation(DATA, samples=400)

    def noisy(z: Tensor) -> Tensor:
        spread = torch.randn(z.shape[1], 64, generator=torch.Generator().manual_seed(0))
        noise: Tensor = (z @ spread).reshape(-1, 1, 8, 8) / LATENT**0.5
        return copier(training)(z) + 0.05 * noise

    for generate in (copier(training), noisy):
        found = metric.measure(digits(generate)).values
        assert found["memorisation_p"] < 1e-6
        assert found["memorisation_z"] < -5
        assert found["memorisation_close"] > 0.5
    p = torch.stack(
        [metric.measure(digits(copier(fresh), seed)).values["memorisation_p"] for seed in range(10)]
    )
    assert p.min() > 1e-3
    assert p.max() < 1 - 1e-3


def test_noise_is_far_from_the_training_set_so_no_number_is_the_better_the_higher() -> None:
    noise = subject(dealt()[0], lambda z: torch.rand(len(z), 1, 8, 8) * 2 - 1, dealt()[1], (-1.0, 1.0))
    metric = Memorisation(DATA, samples=200)
    found = metric.measure(noise).values
    assert found["memorisation_z"] > 10
    assert found["memorisation_close"] == 0
    assert not metric.better


def test_the_training_sets_features_are_held_once(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[weakref.ref[Tensor]] = []
    most = 0

    def watched(features: Features, x: Tensor) -> Iterator[Tensor]:
        nonlocal most
        for part in x.split(10):
            made = features(part).clone()
            alive.append(weakref.ref(made))
            most = max(most, sum(held() is not None for held in alive))
            yield made

    case = digits(copier(dealt()[2]))
    expected = Memorisation(DATA, samples=100).measure(case).values
    monkeypatch.setattr(memorisation, "vectors", watched)
    found = Memorisation(DATA, samples=100).measure(case).values
    assert found == expected
    assert len(alive) == 120
    assert most <= 3


def test_points_of_a_table() -> None:
    training, unseen = randn(500, 2), randn(300, 2, seed=1)
    metric = Memorisation(Mixture(), samples=300)
    copied = metric.measure(subject(training, copier(training), unseen))
    fresh = metric.measure(subject(training, lambda z: z[:, :2], unseen))
    assert copied.values["memorisation_p"] < 1e-10
    assert fresh.values["memorisation_p"] > 1e-3
    assert not copied.sheets


def test_the_pictures_show_samples_beside_their_neighbours() -> None:
    training, _, fresh = dealt()
    found = Memorisation(DATA, samples=50, neighbours=2, rows=4).measure(digits(copier(fresh)))
    assert set(found.sheets) == {"neighbours", "closest"}
    for sheet in found.sheets.values():
        assert sheet.columns == 3
        rows = sheet.images.unflatten(0, (4, 3)).flatten(2)
        for sample, *beside in rows:
            away = (training.flatten(1) - sample).norm(dim=1)
            expected = training[away.argsort()[:2]].flatten(1)
            torch.testing.assert_close(torch.stack(beside), expected, rtol=0, atol=0)
    plain = Memorisation(DATA, samples=50, relative=False, neighbours=2, rows=4).measure(
        digits(copier(fresh))
    )
    closest = plain.sheets["closest"].images.unflatten(0, (4, 3)).flatten(2)
    distance = (closest[:, 0] - closest[:, 1]).norm(dim=1)
    assert torch.equal(distance, distance.sort().values)
    copies = Memorisation(DATA, samples=20).measure(digits(copier(training))).sheets["neighbours"]
    shown = copies.images.unflatten(0, (8, 4))
    assert torch.equal(shown[:, 0], shown[:, 1])


@pytest.mark.parametrize(("training", "unseen", "samples"), [(2, 1, 1), (3, 3, 5), (9, 30, 4), (30, 2, 100)])
def test_tiny_sets(training: int, unseen: int, samples: int) -> None:
    seen, hidden, _ = dealt()
    case = subject(seen[:training], copier(hidden), hidden[:unseen], (-1.0, 1.0))
    found = Memorisation(DATA, samples=samples).measure(case)
    assert all(math.isfinite(value.item()) for value in found.values.values())
    assert found.sheets["neighbours"].columns == 1 + min(3, training)


def test_odd_generators() -> None:
    constant, blank = torch.zeros(1, 8, 8), torch.full((1, 8, 8), torch.nan)
    metric = Memorisation(DATA, samples=60)
    collapsed = metric.measure(digits(lambda z: constant.expand(len(z), -1, -1, -1))).values
    assert all(math.isfinite(value.item()) for value in collapsed.values())
    broken = metric.measure(digits(lambda z: blank.expand(len(z), -1, -1, -1))).values
    assert all(value.isnan() for value in broken.values())
    same = torch.ones(40, 1, 8, 8)
    still = metric.measure(subject(same, lambda z: same[:1].expand(len(z), -1, -1, -1), same)).values
    assert still["memorisation_p"] == 0.5


def test_data_without_training_or_unseen_examples_are_refused() -> None:
    x = randn(30, 2)
    with pytest.raises(InputError, match="drawn without end"):
        Memorisation(Ring()).preflight()
    with pytest.raises(InputError, match="drawn without end"):
        Memorisation(Ring()).measure(subject(Ring().load().sample, lambda z: z[:, :2], x))
    with pytest.raises(InputError, match="drawn without end"):
        Memorisation(Stacked()).preflight()
    with pytest.raises(InputError, match="it needs examples that training does not see"):
        Memorisation(Digits()).preflight()
    with pytest.raises(InputError, match="it needs examples that training does not see"):
        Memorisation(Mixture()).measure(subject(x, lambda z: z[:, :2]))
    with pytest.raises(
        InputError, match="it needs 2 training examples and an unseen one .* there are 1 and 9$"
    ):
        Memorisation(Mixture()).measure(subject(x[:1], lambda z: z[:, :2], x[:9]))
    Memorisation(DATA).preflight()


def test_a_generator_of_ones_alone_is_no_copier() -> None:
    """What it shows of the data is new, if narrow: the ones lie near each other."""
    data = Digits(size=8, pixel_range=(-1.0, 1.0)).load()
    x, one = DATA.prepare(torch.from_numpy(np.asarray(data.images))), torch.as_tensor(data.labels) == 1
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(5))
    x, one = x[order], one[order]
    case = subject(x[:900], copier(x[900:][one[900:]]), x[900:][~one[900:]], (-1.0, 1.0))
    assert Memorisation(DATA, samples=300).measure(case).values["memorisation_p"] > 1e-3


def test_the_papers_way_and_ours_catch_a_copier_and_say_which_they_are() -> None:
    training, _, fresh = dealt()
    for options, words in (
        ({"relative": False, "cells": 10}, "training example (of 1 GiB of them at most), in 10 cells, z"),
        ({"relative": True, "cells": 1}, "own nearest distance (of 1 GiB of them at most), z"),
    ):
        metric = Memorisation(DATA, samples=300, **options)  # type: ignore[arg-type]
        assert words in metric.about
        assert metric.measure(digits(copier(training))).values["memorisation_p"] < 1e-10
        assert metric.measure(digits(copier(fresh))).values["memorisation_p"] > 1e-3


def test_unseen_files_that_are_missing_are_found_before_training(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="t10k|not found|missing|no MNIST"):
        Memorisation(MNIST(root=str(tmp_path))).preflight()


@pytest.mark.slow
def test_mnist(gan_data: Path) -> None:
    """All 60,000 training digits, and test digits as the fresh ones."""
    data = MNIST(root=str(gan_data), size=28, channels=1)
    held_out = data.held_out()
    assert held_out is not None
    x, y = (data.prepare(torch.from_numpy(np.asarray(part.load().images))) for part in (data, held_out))
    unseen, fresh = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(0))].split(5000)
    metric = Memorisation(data, samples=1000)
    control = metric.measure(subject(x, copier(fresh), unseen, (-1.0, 1.0)))
    copied = metric.measure(subject(x, copier(x), unseen, (-1.0, 1.0)))
    assert 1e-3 < control.values["memorisation_p"] < 1 - 1e-3
    assert control.values["memorisation_close"] < 0.03
    assert copied.values["memorisation_p"] < 1e-10
    assert copied.values["memorisation_close"] == 1
