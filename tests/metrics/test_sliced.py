"""The sliced Wasserstein distance: scipy on the line, and closed forms in the plane and beyond."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance
from torch import Tensor

from gan_cli.metrics import sliced
from gan_cli.metrics.sliced import directions, sliced_wasserstein, wasserstein_1d


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def along(count: int, dimension: int) -> Tensor:
    return directions(torch.Generator().manual_seed(9), count, dimension)


@pytest.mark.parametrize(("n", "m"), [(7, 7), (12, 5), (1, 8), (30, 45)])
def test_on_the_line_it_is_scipys(n: int, m: int) -> None:
    x, y = randn(3, n), 2 * randn(3, m, seed=1) + 1
    expected = [wasserstein_distance(a.numpy(), b.numpy()) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(wasserstein_1d(x, y, 1), expected, rtol=1e-12)
    # W_2 on repeated examples of a common number is sorted against sorted.
    a, b = x.repeat_interleave(m, 1).sort(1).values, y.repeat_interleave(n, 1).sort(1).values
    np.testing.assert_allclose(wasserstein_1d(x, y, 2), (a - b).square().mean(1), rtol=1e-12)


@pytest.mark.parametrize("p", [1, 2])
def test_one_dimension_needs_one_direction(p: int) -> None:
    x, y = randn(40, 1), randn(30, 1, seed=1) + 1
    found = sliced_wasserstein(x, y, along(16, 1), p)
    expected = wasserstein_1d(x.T, y.T, p).item() ** (1 / p)
    assert found.distance.item() == pytest.approx(expected, rel=1e-12)
    assert found.error.item() == pytest.approx(0, abs=1e-12)


def test_a_shift_by_mu() -> None:
    """Along θ it is |θ·μ|: SW_2² = |μ|²/D, and SW_1 = |μ|·Γ(D/2)/(√π Γ((D+1)/2)), within the claimed
    errors."""
    dimension, shift = 5, torch.tensor([3.0, 0.0, 4.0, 0.0, 0.0])
    x = randn(200, dimension)
    theta = along(4000, dimension)
    one, two = (sliced_wasserstein(x, x + shift, theta, p) for p in (1, 2))
    ratio = math.gamma(dimension / 2) / (math.sqrt(math.pi) * math.gamma((dimension + 1) / 2))
    for found, expected in ((one, 5 * ratio), (two, 5 / math.sqrt(dimension))):
        assert abs(found.distance.item() - expected) < 4 * found.error.item()
        assert 0 < found.error.item() < 0.02 * expected


def test_gaussians_of_two_widths() -> None:
    """W_2 along any θ is |σ − τ|; finite samples add a little."""
    found = sliced_wasserstein(randn(20_000, 3), 2.5 * randn(20_000, 3, seed=1), along(50, 3), 2)
    assert found.distance.item() == pytest.approx(1.5, rel=0.01)


def test_the_error_is_the_spread_over_draws_of_directions() -> None:
    x, y = randn(50, 4), randn(50, 4, seed=1) * torch.tensor([1.0, 2.0, 3.0, 0.1]) + 1
    draws = [
        sliced_wasserstein(x, y, directions(torch.Generator().manual_seed(s), 60, 4), 2) for s in range(200)
    ]
    spread = torch.stack([one.distance for one in draws]).std().item()
    assert np.mean([one.error.item() for one in draws]) == pytest.approx(spread, rel=0.15)


def test_parts_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, theta = randn(33, 6), randn(21, 6, seed=1), along(10, 6)
    whole = sliced_wasserstein(x, y, theta, 2)
    monkeypatch.setattr(sliced, "_BYTES", 1000)
    torch.testing.assert_close(sliced_wasserstein(x, y, theta, 2), whole)


def test_directions_have_length_1_and_no_favourite() -> None:
    theta = along(20_000, 3)
    np.testing.assert_allclose(theta.norm(dim=1), 1, rtol=1e-12)
    np.testing.assert_allclose(theta.T @ theta / 20_000, np.eye(3) / 3, atol=0.01)


def test_equal_and_constant_samples_are_at_distance_0() -> None:
    x = randn(20, 3)
    for side in (x, torch.ones(20, 3)):
        found = sliced_wasserstein(side, side, along(8, 3), 2)
        assert (found.distance.item(), found.error.item()) == (0, 0)


def test_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="p must be one of 1, 2, got 3"):
        sliced_wasserstein(randn(3, 2), randn(3, 2), along(2, 2), 3)
    with pytest.raises(ValueError, match="samples must be at least 1"):
        sliced_wasserstein(randn(3, 2), randn(0, 2), along(2, 2), 1)
