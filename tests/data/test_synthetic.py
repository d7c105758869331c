"""The mixtures are the distributions that they say they are."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from gan_cli.data.base import Dataset, Distribution
from gan_cli.data.synthetic import GaussianMixture, Grid, Mixture1D, Ring

SETS: list[Dataset] = [
    Ring(),
    Ring(modes=3, radius=1.0, std=0.5),
    Grid(),
    Grid(side=2, spacing=1.0, std=0.3),
    Mixture1D(),
    Mixture1D(weights=(1.0, 2.0, 3.0), means=(0.0, -1.0, 4.0), stds=(0.1, 1.0, 2.0)),
]


def loaded(dataset: Dataset) -> GaussianMixture:
    distribution = dataset.load()
    assert isinstance(distribution, GaussianMixture)
    return distribution


def reference(mixture: GaussianMixture) -> MixtureSameFamily:
    parts = Normal(mixture.modes.double(), mixture.scale.double()[:, None])
    return MixtureSameFamily(Categorical(mixture.weights.double()), Independent(parts, 1))


@pytest.mark.parametrize("dataset", SETS, ids=repr)
def test_log_density_is_torchs(dataset: Dataset) -> None:
    mixture = loaded(dataset)
    x = torch.randn(5, 7, *dataset.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2
    # The weights are float32, and torch normalises them once more.
    torch.testing.assert_close(mixture.log_density(x), reference(mixture).log_prob(x), rtol=1e-12, atol=2e-7)


@pytest.mark.parametrize("dataset", SETS, ids=repr)
def test_samples_follow_the_density(dataset: Dataset) -> None:
    """Mean and covariance within 5 standard errors, the weights of the modes too."""
    mixture, n = loaded(dataset), 40_000
    x = mixture.sample(torch.Generator().manual_seed(1), n).double()
    assert x.shape == (n, *dataset.shape)
    truth = reference(mixture)
    assert ((x.mean(0) - truth.mean).abs() < 5 * truth.variance.sqrt() / math.sqrt(n)).all()
    kurtosis = (x - truth.mean).pow(4).mean(0) / truth.variance**2
    assert ((x.var(0) / truth.variance - 1).abs() < 5 * (kurtosis / n).sqrt()).all()
    joint = truth.component_distribution.log_prob(x[:, None]) + mixture.weights.double().log()
    share = joint.softmax(-1).mean(0)
    assert ((share - mixture.weights).abs() < 5 * (mixture.weights / n).sqrt()).all()


@pytest.mark.parametrize("dataset", SETS, ids=repr)
def test_sampling_is_a_function_of_the_generator(dataset: Dataset) -> None:
    mixture = loaded(dataset)
    a, b, c = (mixture.sample(torch.Generator().manual_seed(seed), 50) for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_the_ring_has_eight_distinct_modes_at_radius_2() -> None:
    ring = loaded(Ring())
    assert ring.modes.shape == (8, 2)
    assert torch.pdist(ring.modes).min() > 1.5
    torch.testing.assert_close(ring.modes.norm(dim=1), torch.full((8,), 2.0))
    assert ring.scale.tolist() == pytest.approx([0.02] * 8)


def test_the_grid_is_5_by_5_around_the_origin() -> None:
    grid = loaded(Grid())
    assert sorted(set(grid.modes.flatten().tolist())) == [-4.0, -2.0, 0.0, 2.0, 4.0]
    assert len({tuple(mode) for mode in grid.modes.tolist()}) == 25


def test_the_default_mixture_is_the_f_gan_papers_target() -> None:
    mixture = loaded(Mixture1D())
    assert mixture.weights.tolist() == pytest.approx([0.33, 0.67])
    assert mixture.modes.flatten().tolist() == [-1.0, 2.0]
    assert mixture.scale.square().tolist() == pytest.approx([0.065, 2.0])
    # The Gaussian nearest by Kullback-Leibler has its mean and deviation: the paper's 1.0100 and 1.8308.
    truth = reference(mixture)
    assert truth.mean.item() == pytest.approx(1.01, abs=3e-4)
    assert truth.stddev.item() == pytest.approx(1.8308, abs=3e-4)


def test_weights_are_normalised_and_to_moves() -> None:
    mixture = loaded(Mixture1D(weights=(1.0, 3.0)))
    assert mixture.weights.tolist() == [0.25, 0.75]
    moved: Distribution = mixture.to(torch.device("meta"))
    assert moved.modes.device.type == "meta"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ring(modes=0), "modes must be at least 1, got 0"),
        (lambda: Ring(std=0.0), "std must be above 0, got 0.0"),
        (lambda: Grid(side=0), "side must be at least 1, got 0"),
        (lambda: Grid(spacing=-1.0), "spacing must be above 0, got -1.0"),
        (lambda: Mixture1D(weights=()), "weights must hold at least one number"),
        (lambda: Mixture1D(weights=(0.0, 1.0)), "weights must be above 0, got 0.0"),
        (lambda: Mixture1D(means=(0.0,)), "means must be as many as weights, 2, got 1"),
        (lambda: Mixture1D(means=(0.0, math.inf)), "means must be finite numbers"),
        (lambda: Mixture1D(stds=(1.0, -1.0)), "stds must be above 0, got -1.0"),
        (lambda: Ring(default_steps=0), "default_steps must be at least 1, got 0"),
    ],
)
def test_arguments_out_of_range_are_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()
