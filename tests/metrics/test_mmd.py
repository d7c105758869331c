"""MMD: the double loop, closed forms between Gaussians, and errors that hold what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from torch import Tensor

from gan_cli.metrics import blocks
from gan_cli.metrics.mmd import Kernel, gaussian, in_blocks, median_distance, mmd2, polynomial

WIDTHS = torch.tensor([0.7, 2.0])


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def loop(x: Tensor, y: Tensor, kernel: str) -> float:
    """Gretton et al. 2012, Eq. 3, pair by pair."""

    def k(a: np.ndarray, b: np.ndarray) -> float:
        if kernel == "polynomial":
            return float((a @ b / len(a) + 1) ** 3)
        return float(np.mean([math.exp(-((a - b) ** 2).sum() / (2 * w * w)) for w in WIDTHS.tolist()]))

    one, two = x.double().numpy(), y.double().numpy()
    n, m = len(one), len(two)
    within = [
        sum(k(a, b) for i, a in enumerate(side) for j, b in enumerate(side) if i != j) / (size * (size - 1))
        for side, size in ((one, n), (two, m))
    ]
    return sum(within) - 2 * sum(k(a, b) for a in one for b in two) / (n * m)


KERNELS: dict[str, Kernel] = {"gaussian": gaussian(WIDTHS), "polynomial": polynomial}


@pytest.mark.parametrize("side", [6, 2048])
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_estimate_is_the_double_loop(kernel: str, side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "SIDE", side)
    x, y = randn(17, 4), 1.5 * randn(13, 4, seed=1) + 0.3
    assert mmd2(x, y, KERNELS[kernel]).value.item() == pytest.approx(loop(x, y, kernel), rel=1e-9)


def between_gaussians(mean: float, std: float, width: float, dimension: int) -> float:
    """MMD² of N(0, I) and N(mean·1, std²·I): E k is a Gaussian integral."""

    def expected(shift: float, variance: float) -> float:
        total = width**2 + variance
        return float((width**2 / total) ** (dimension / 2) * math.exp(-dimension * shift**2 / (2 * total)))

    return expected(0, 2) + expected(0, 2 * std**2) - 2 * expected(mean, 1 + std**2)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.4, 1.0), (0.2, 0.6)])
def test_gaussians_by_a_gaussian_kernel(mean: float, std: float) -> None:
    """Unbiased, at equality too, with a standard error that is right or, at equality, up to √2 too large."""
    truth = between_gaussians(mean, std, 1.3, 3)
    kernel, generator = gaussian(torch.tensor([1.3])), torch.Generator().manual_seed(3)
    found = [
        mmd2(
            torch.randn(60, 3, generator=generator),
            mean + std * torch.randn(80, 3, generator=generator),
            kernel,
        )
        for _ in range(400)
    ]
    values = torch.stack([one.value for one in found])
    claimed = torch.stack([one.error for one in found]).square().mean().sqrt()
    assert abs(values.mean() - truth) < 4 * values.std() / 20
    ratio = float(claimed / values.std())
    assert (1.0 < ratio < 1.6) if mean == 0 and std == 1 else (0.85 < ratio < 1.3)


@pytest.mark.parametrize("mean", [0.0, 0.5])
def test_the_cubic_kernel_compares_three_moments(mean: float) -> None:
    """On the line (xy + 1)³ = Σ_r C(3, r) x^r y^r, so that MMD² = Σ_r C(3, r)(E x^r − E y^r)²."""
    truth = 3 * mean**2 + 3 * mean**4 + (mean**3 + 3 * mean) ** 2
    generator = torch.Generator().manual_seed(4)
    found = [
        in_blocks(
            torch.randn(400, 1, generator=generator),
            mean + torch.randn(400, 1, generator=generator),
            polynomial,
            50,
        )
        for _ in range(150)
    ]
    values = torch.stack([one.value for one in found])
    claimed = torch.stack([one.error for one in found]).square().mean().sqrt()
    assert abs(values.mean() - truth) < 4 * values.std() / 150**0.5
    assert float(claimed / values.std()) == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize(
    ("n", "size", "blocks"), [(60, 5, 12), (60, 1000, 10), (45, 5, 10), (12, 1000, 6), (5, 2, 2)]
)
def test_blocks_are_disjoint_and_ten_where_there_can_be(n: int, size: int, blocks: int) -> None:
    x, y = randn(n, 2), randn(n + 6, 2, seed=1)
    parts = [
        loop(a, b, "polynomial") for a, b in zip(x.tensor_split(blocks), y.tensor_split(blocks), strict=True)
    ]
    found = in_blocks(x, y, polynomial, size)
    assert found.value.item() == pytest.approx(np.mean(parts), rel=1e-9)
    assert found.error.item() == pytest.approx(np.std(parts, ddof=1) / math.sqrt(blocks), rel=1e-9)


def test_the_bandwidth_is_the_median_distance() -> None:
    x = randn(15, 3)  # 105 pairs, so there is one in the middle
    assert median_distance(x).item() == pytest.approx(np.median(pdist(x.double().numpy())), rel=1e-9)
    mostly = torch.tensor([[0.0]] * 5 + [[3.0]])
    assert median_distance(mostly).item() == pytest.approx(1.0)  # 5 of 15 pairs are at distance 3
    assert median_distance(torch.ones(4, 2)).item() == 1


def test_samples_without_spread_have_an_mmd() -> None:
    one, other = torch.zeros(8, 2), torch.full((8, 2), 3.0)
    kernel = gaussian(torch.tensor([1.0]))
    same, apart = mmd2(one, one, kernel), mmd2(one, other, kernel)
    assert (same.value.item(), same.error.item()) == (0, 0)
    assert apart.value.item() == pytest.approx(2 - 2 * math.exp(-9))
    assert apart.error.item() == 0


def test_a_single_example_is_refused() -> None:
    with pytest.raises(ValueError, match="samples must be at least 2 of either side, got 1"):
        mmd2(torch.zeros(1, 2), torch.zeros(5, 2), polynomial)
    with pytest.raises(ValueError, match="samples must be at least 4 of either side, got 3"):
        in_blocks(torch.zeros(3, 2), torch.zeros(5, 2), polynomial, 2)
