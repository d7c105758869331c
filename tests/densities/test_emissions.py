"""Decoders' laws against torch.distributions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, distributions

from gan_cli.densities.emissions import LEAST_SIGMA, Bernoulli, Gaussian


def normal(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_bernoulli_emission() -> None:
    h, x = 5 * normal(6, 4), (normal(6, 4, seed=1) > 0).double()
    law = distributions.Bernoulli(logits=h)
    torch.testing.assert_close(Bernoulli().log_prob(x, h), law.log_prob(x).sum(1))
    torch.testing.assert_close(Bernoulli().mean(h), law.mean)


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("covariance", ["fixed", "spherical", "diagonal"])
def test_gaussian_emission(covariance: Any, bounded: bool) -> None:
    emission = Gaussian(4, bounded, covariance, 0.3).double()
    assert len(list(emission.parameters())) == (covariance != "fixed")
    assert emission.sigma.shape == ((4,) if covariance == "diagonal" else (1,))
    assert (emission.sigma - 0.3).abs().max() < 1e-7
    h, x = normal(6, 4), normal(6, 4, seed=1)
    law = distributions.Normal(torch.sigmoid(h) if bounded else h, emission.sigma)
    torch.testing.assert_close(emission.log_prob(x, h), law.log_prob(x).sum(1))
    torch.testing.assert_close(emission.mean(h), law.mean)


def test_sigma_stays_above_its_bound() -> None:
    emission = Gaussian(2, False, "diagonal", 0.1)
    with torch.no_grad():
        emission.log_excess.fill_(-200.0)
    assert emission.sigma.tolist() == pytest.approx([LEAST_SIGMA] * 2)
    assert torch.isfinite(emission.log_prob(torch.ones(1, 2), torch.zeros(1, 2))).all()
