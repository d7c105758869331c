"""A Gaussian against torch.distributions, and mixtures in any dimension."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.distributions import MultivariateNormal

from gan_cli.data.base import Dataset
from gan_cli.data.gaussian import Gaussian
from gan_cli.data.synthetic import GaussianMixture, Mixture

COVARIANCE = ((2.0, 0.6, 0.0), (0.6, 1.0, -0.3), (0.0, -0.3, 0.5))
CASES: list[tuple[dict[str, Any], Any, Any]] = [
    ({}, torch.zeros(2), torch.eye(2)),
    (
        {"mean": (1.0, -2.0, 0.5), "covariance": COVARIANCE},
        torch.tensor([1.0, -2.0, 0.5]),
        torch.tensor(COVARIANCE),
    ),
    ({"mean": (0.5,), "std": (2.0,), "dimension": 4}, torch.full((4,), 0.5), 4 * torch.eye(4)),
    ({"mean": (0.0, 1.0), "std": (1.0, 3.0)}, torch.tensor([0.0, 1.0]), torch.diag(torch.tensor([1.0, 9.0]))),
]


@pytest.mark.parametrize(("fields", "mean", "covariance"), CASES)
def test_density_and_draws_are_those_of_torch(fields: Any, mean: Any, covariance: Any) -> None:
    dataset = Gaussian(**fields)
    law, truth = dataset.load(), MultivariateNormal(mean.double(), covariance.double())
    assert dataset.shape == tuple(mean.shape)
    x = law.sample(torch.Generator().manual_seed(0), 100_000)
    assert x.dtype == torch.float32
    torch.testing.assert_close(x.mean(0), mean, atol=0.03, rtol=0)
    torch.testing.assert_close(torch.cov(x.T), covariance, atol=0.1, rtol=0)
    torch.testing.assert_close(law.log_density(x[:50].double()), truth.log_prob(x[:50].double()))
    assert law.log_density(x[:6].reshape(2, 3, -1)).shape == (2, 3)
    torch.testing.assert_close(law.covariance, covariance.double())
    assert law.modes.shape == (1, len(mean))
    assert float(law.scale[0]) == pytest.approx(math.sqrt(float(covariance.trace()) / len(mean)))


def test_a_mixture_in_three_dimensions() -> None:
    law = Mixture(means=((0.0, 0.0, 1.0), (2.0, 0.0, 0.0)), stds=(0.5, 1.5), weights=(1.0, 3.0)).load()
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    parts = [
        math.log(w) + MultivariateNormal(torch.tensor(m).double(), s**2 * torch.eye(3).double()).log_prob(x)
        for w, m, s in ((0.25, (0.0, 0.0, 1.0), 0.5), (0.75, (2.0, 0.0, 0.0), 1.5))
    ]
    torch.testing.assert_close(law.log_density(x), torch.logaddexp(*parts), rtol=1e-6, atol=1e-6)
    assert law.covariance is None
    one = Mixture(means=((0.0, 0.0),), stds=(2.0,)).load()
    assert isinstance(one, GaussianMixture)
    torch.testing.assert_close(one.covariance, 4 * torch.eye(2).double())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gaussian(mean=(0.0, 1.0), dimension=3), "mean must be one number or 3"),
        (lambda: Gaussian(std=(1.0, 1.0, 1.0)), "std must be one number or 2"),
        (lambda: Gaussian(std=(0.0,)), "std must be above 0, got 0.0"),
        (lambda: Gaussian(mean=(math.inf, 0.0)), "mean must be finite numbers"),
        (lambda: Gaussian(dimension=0), "dimension must be at least 1, got 0"),
        (lambda: Gaussian(covariance=((1.0,),)), "covariance must be 2 rows of 2 numbers"),
        (
            lambda: Gaussian(covariance=((1.0, 0.5), (0.0, 1.0))),
            "covariance must be symmetric and positive definite",
        ),
        (
            lambda: Gaussian(covariance=((1.0, 2.0), (2.0, 1.0))),
            "covariance must be symmetric and positive definite",
        ),
        (lambda: Mixture(means=()), "means must be at least one point"),
        (lambda: Mixture(means=((0.0,), (0.0, 1.0))), "means must be points of one dimension"),
        (lambda: Mixture(means=((math.nan,),)), "means must be finite numbers"),
        (lambda: Mixture(stds=(1.0, 1.0, 1.0)), "stds must be one number or 2"),
        (lambda: Mixture(weights=(1.0, 0.0)), "weights must be above 0, got 0.0"),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], Dataset], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
