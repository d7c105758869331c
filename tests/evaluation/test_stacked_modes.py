"""Modes and KL of Stacked MNIST: closed forms, the sampling floor, and real digits through the classifier."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from gan_cli.data.mnist import MNIST
from gan_cli.data.stacked_mnist import StackedMNIST
from gan_cli.evaluation.classifier import Classifier
from gan_cli.evaluation.stacked_modes import StackedModes
from gan_cli.metrics.base import Subject
from gan_cli.metrics.histogram import histogram_fit, sampling_floor
from gan_cli.streams import Streams

CPU = torch.device("cpu")


def subject(dataset: StackedMNIST, fake: Callable[[torch.Generator, int], Tensor]) -> Subject:
    return Subject(
        step=3,
        shape=dataset.shape,
        pixel_range=dataset.pixel_range,
        real=fake,
        fake=fake,
        unseen=None,
        examples=None,
        unseen_examples=None,
        latents=lambda generator, n: torch.zeros(n, 1),
        generate=lambda z: z,
        streams=Streams(0, CPU),
    )


def test_kl_is_scipys() -> None:
    random = np.random.default_rng(0)
    shares = random.dirichlet(np.ones(50))
    classes = random.choice(50, 400, p=random.dirichlet(np.ones(50)))
    covered, kl = histogram_fit(torch.as_tensor(classes), torch.as_tensor(shares))
    counts = np.bincount(classes, minlength=50)
    assert int(covered) == np.count_nonzero(counts)
    assert kl.item() == pytest.approx(scipy.stats.entropy(counts / 400, shares), rel=1e-12)


def test_one_mode_is_ln_of_the_number_of_modes_away() -> None:
    covered, kl = histogram_fit(torch.full((99,), 7), torch.full((1000,), 1e-3))
    assert int(covered) == 1
    assert kl.item() == pytest.approx(math.log(1000))


def test_a_mode_that_the_data_lack_is_infinitely_far() -> None:
    assert histogram_fit(torch.tensor([0, 1]), torch.tensor([1.0, 0.0])).kl.item() == math.inf
    assert histogram_fit(torch.tensor([0, 0]), torch.tensor([1.0, 0.0])).kl.item() == 0
    assert math.isnan(histogram_fit(torch.tensor([], dtype=torch.long), torch.tensor([1.0, 0.0])).kl.item())


def test_perfect_samples_have_the_floor() -> None:
    uniform, n = torch.full((1000,), 1e-3), 26_000
    drawn = [torch.randint(1000, (n,), generator=torch.Generator().manual_seed(k)) for k in range(50)]
    kl = torch.stack([histogram_fit(modes, uniform).kl for modes in drawn])
    assert sampling_floor(1000, n) == pytest.approx(0.0192, abs=1e-4)
    # 2N·KL is χ² of 999 degrees of freedom, whose deviation is √1998; the second order adds 0.5 %.
    error = math.sqrt(1998) / (2 * n) / math.sqrt(len(kl))
    assert kl.mean().item() == pytest.approx(1.005 * sampling_floor(1000, n), abs=4 * error)


def test_real_digits_cover_all_modes_at_the_floor(gan_data: Path, tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in (gan_data / "MNIST" / "raw").glob("*.gz"):
        (raw / file.name).symlink_to(file)
    stacked = StackedMNIST(root=str(tmp_path))
    unseen = stacked.held_out()
    assert unseen is not None
    law = unseen.load()
    metric = StackedModes(stacked, classifier_steps=300)
    metric.preflight()
    samples = subject(stacked, lambda generator, n: stacked.prepare(law.sample(generator, n)))
    values = metric.measure(samples).values
    assert tuple(values) == metric.names
    assert int(values["stacked_modes"]) == 1000
    # The floor, and what a classifier and a test split that are off by a per cent each may add.
    floor = sampling_floor(1000, 25_600)
    assert 0.9 * floor < float(values["stacked_kl"]) < 2 * floor
    again = metric.measure(samples).values
    assert all(torch.equal(values[name], again[name]) for name in values)


def test_each_sample_counts_for_the_mode_of_its_digits(idx_root: Path) -> None:
    stacked = StackedMNIST(root=str(idx_root), size=12)
    metric = StackedModes(stacked, samples=3000, classifier_steps=40)
    law = stacked.load()
    drawn: list[Tensor] = []

    def fake(generator: torch.Generator, n: int) -> Tensor:
        drawn.append(stacked.prepare(law.sample(generator, n)))
        return drawn[-1]

    values = metric.measure(subject(stacked, fake)).values
    assert [len(part) for part in drawn] == [1024, 1024, 952]
    net = Classifier(MNIST(root=str(idx_root), size=12), steps=40)
    digits = torch.stack(
        [net.logits((torch.cat(drawn)[:, k : k + 1] + 1) / 2)[:, 0].argmax(1) for k in range(3)]
    )
    counts = np.bincount((digits * torch.tensor([[100], [10], [1]])).sum(0).numpy(), minlength=1000)
    assert int(values["stacked_modes"]) == np.count_nonzero(counts)
    expected = scipy.stats.entropy(counts / 3000, law.shares.numpy())
    assert float(values["stacked_kl"]) == pytest.approx(expected)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("where", [0, 1500])
def test_an_image_that_is_not_finite_is_no_mode(idx_root: Path, bad: float, where: int) -> None:
    stacked = StackedMNIST(root=str(idx_root), size=12)
    metric = StackedModes(stacked, samples=1600, classifier_steps=2)
    law, done = stacked.load(), 0

    def fake(generator: torch.Generator, n: int) -> Tensor:
        nonlocal done
        images = stacked.prepare(law.sample(generator, n))
        if done <= where < done + n:
            images[where - done, 1, 5, 5] = bad
        done += n
        return images

    values = metric.measure(subject(stacked, fake)).values
    assert all(value.isnan() for value in values.values())
    assert all(value.isfinite() for value in metric.measure(subject(stacked, fake)).values.values())


def test_its_protocol_is_told(idx_root: Path) -> None:
    told = StackedModes(StackedMNIST(root=str(idx_root)), samples=1000).about
    assert "1000 samples" in told
    assert "perfect samples have 0.499" in told
    assert "nats" in told
    assert "classifier of MNIST's labels" in told


def test_other_data_are_refused() -> None:
    with pytest.raises(ValueError, match="it counts the modes of data=stacked_mnist alone"):
        StackedModes(MNIST())
    with pytest.raises(ValueError, match="samples must be at least 1, got 0"):
        StackedModes(StackedMNIST(), samples=0)
