"""The Fréchet distance: a matrix square root of another make, closed forms, and covariances without full
rank."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor

from gan_cli.metrics.frechet import Moments, frechet_distance, moments


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def distance(one: Moments, two: Moments) -> float:
    return frechet_distance(one.mean, one.covariance, two.mean, two.covariance).item()


def test_it_is_the_one_by_a_matrix_square_root() -> None:
    x, y = rand(200, 12) @ rand(12, 12, seed=1), rand(150, 12, seed=2) @ rand(12, 12, seed=3) + 1
    covariances = [np.cov(side.numpy(), rowvar=False) for side in (x, y)]
    root = sqrtm(covariances[0] @ covariances[1]).real
    means = ((x.mean(0) - y.mean(0)) ** 2).sum().item()
    expected = means + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert distance(moments([x]), moments([y])) == pytest.approx(expected, rel=1e-9)


def test_gaussians_with_common_axes() -> None:
    """|μ₁ − μ₂|² + Σ_i (σ_i − τ_i)², in whatever frame the axes stand."""
    frame = torch.linalg.qr(rand(4, 4))[0]
    sigma, tau = torch.tensor([1.0, 2.0, 0.0, 5.0]), torch.tensor([3.0, 2.0, 4.0, 0.0])
    one, two = (frame @ torch.diag(s.double() ** 2) @ frame.T for s in (sigma, tau))
    found = frechet_distance(torch.zeros(4), one, torch.full((4,), 0.5), two)
    assert found.item() == pytest.approx(1 + (4 + 0 + 16 + 25), rel=1e-12)


def test_fewer_examples_than_features() -> None:
    """tr (Σ₁Σ₂)^½ is the sum of the singular values of X₁X₂ᵀ/√((n−1)(m−1)), X the centred examples."""
    x, y = rand(9, 300), 0.1 * rand(14, 300, seed=1)
    centred = [side - side.mean(0) for side in (x, y)]
    cross = torch.linalg.svdvals(centred[0] @ centred[1].T).sum() / math.sqrt(8 * 13)
    variances = sum(side.var(0).sum() for side in (x, y))
    expected = (x.mean(0) - y.mean(0)).square().sum() + variances - 2 * cross
    assert distance(moments([x]), moments([y])) == pytest.approx(expected.item(), rel=1e-10)
    assert distance(moments([x]), moments([x])) == pytest.approx(0, abs=1e-8)


def test_a_collapsed_generator() -> None:
    x = rand(50, 6)
    point = torch.ones(50, 6)
    expected = (x.mean(0) - 1).square().sum() + x.var(0).sum()
    assert distance(moments([x]), moments([point])) == pytest.approx(expected.item(), rel=1e-10)
    assert distance(moments([point]), moments([point])) == 0


def test_batches_add_up_to_the_whole_and_keep_their_digits() -> None:
    x = rand(1000, 5) + 1e6
    parts = moments(x.split([1, 0, 399, 600]))
    assert parts.size == 1000
    np.testing.assert_allclose(parts.mean, x.mean(0), rtol=1e-14)
    np.testing.assert_allclose(parts.covariance, np.cov(x.numpy(), rowvar=False), rtol=1e-7, atol=1e-9)


def test_what_cannot_be_measured() -> None:
    one = torch.eye(2)
    assert frechet_distance(torch.tensor([0.0, torch.nan]), one, torch.zeros(2), one).isnan()
    with pytest.raises(ValueError, match="samples must be at least 1"):
        moments([])
    with pytest.raises(ValueError, match="samples must be at least 2, got 1"):
        _ = moments([torch.zeros(1, 2)]).covariance
