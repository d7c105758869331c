"""Precision, recall, density and coverage: the published definitions, pair by pair, and cases known by
thought."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from gan_cli.metrics import blocks
from gan_cli.metrics.manifold import manifold


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def published(real: Tensor, fake: Tensor, k: int) -> list[float]:
    """The definitions with all distances at once."""
    x, y = real.double().numpy(), fake.double().numpy()
    reach = [np.sort(cdist(side, side), 1)[:, k] for side in (x, y)]  # column 0 is the example itself
    between = cdist(x, y)
    in_real = between <= reach[0][:, None]
    return [
        in_real.any(0).mean(),
        (between <= reach[1]).any(1).mean(),
        in_real.sum(0).mean() / k,
        (between.min(1) <= reach[0]).mean(),
    ]


@pytest.mark.parametrize("side", [16, 2048])
@pytest.mark.parametrize("k", [1, 3, 5])
def test_the_published_definitions(k: int, side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "SIDE", side)
    real, fake = randn(60, 2), 0.6 * randn(45, 2, seed=1) + 0.5
    found = [value.item() for value in manifold(real, fake, k)]
    assert found == pytest.approx(published(real, fake, k), rel=1e-12)
    assert len({round(value, 6) for value in found}) == 4  # the four can be told apart


@pytest.mark.parametrize("width", [2, 784])
def test_copies_lie_in_their_own_balls(width: int) -> None:
    """A copy lies in its original's ball, and without ties in those of the k that count it as a neighbour."""
    real = randn(100, width)
    assert [v.item() for v in manifold(real, real.clone(), 5)] == pytest.approx([1, 1, 6 / 5, 1])


def test_one_law_twice() -> None:
    """Density is 1 in the mean and coverage 1 − Π_{i=1…k} (n−i)/(2n−i): Naeem et al. 2020, §3.3."""
    found = [manifold(randn(200, 2, seed=s), randn(200, 2, seed=1000 + s), 5) for s in range(30)]
    density = torch.stack([one.density for one in found]).mean().item()
    coverage = torch.stack([one.coverage for one in found]).mean().item()
    assert density == pytest.approx(1, abs=0.03)
    n = 200
    assert coverage == pytest.approx(1 - np.prod([(n - i) / (2 * n - i) for i in range(1, 6)]), abs=0.01)


def test_far_away_and_collapsed_generators() -> None:
    real = randn(50, 3)
    assert [v.item() for v in manifold(real, randn(50, 3, seed=1) + 100, 5)] == [0, 0, 0, 0]
    collapsed = manifold(real, real[:1].expand(50, 3), 5)
    assert collapsed.precision.item() == 1
    assert collapsed.recall.item() == pytest.approx(1 / 50)  # only the example that they repeat
    assert collapsed.coverage.item() < 0.5
    constant = torch.ones(20, 3)
    assert [value.item() for value in manifold(constant, constant, 5)] == [1, 1, 4, 1]


def test_more_neighbours_than_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="k must be between 1 and the 4 neighbours there are, got 5"):
        manifold(randn(5, 2), randn(50, 2), 5)
