"""Pairs of vectors by tiles: the same as all at once, and exact where it matters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from gan_cli.metrics import blocks
from gan_cli.metrics.blocks import nearest, squared_distances, tiles


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_tiles_cover_the_matrix_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "SIDE", 4)
    seen = torch.zeros(10, 7)
    for rows, columns in tiles(10, 7):
        assert seen[rows, columns].numel() <= 16
        seen[rows, columns] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_distances_are_scipys_far_from_the_origin_too(offset: float) -> None:
    x, y = randn(50, 20) + offset, randn(30, 20, seed=1) + offset
    expected = cdist(x.double().numpy(), y.double().numpy(), "sqeuclidean")
    np.testing.assert_allclose(squared_distances(x, y), expected, rtol=1e-10)


def test_an_outlier_does_not_blur_the_others() -> None:
    x = randn(40, 5)
    y = torch.cat([x + 1e-3, torch.full((3, 5), 1e9)])
    expected = cdist(x.double().numpy(), y.double().numpy(), "sqeuclidean")
    np.testing.assert_allclose(squared_distances(x, y), expected, rtol=1e-8)


@pytest.mark.parametrize("width", [1, 3, 784])
def test_equal_vectors_are_at_distance_0_and_no_others(width: int) -> None:
    x = torch.rand(40, width, generator=torch.Generator().manual_seed(0))
    found = squared_distances(x, x)
    assert torch.equal(found == 0, torch.eye(40, dtype=torch.bool))
    moved = x.clone()
    moved[:, 0] += 1e-5
    np.testing.assert_allclose(squared_distances(x, moved).diagonal(), 1e-10, rtol=0.05)


def test_what_is_not_finite_stays_so() -> None:
    x = torch.tensor([[0.0, 0.0], [torch.nan, 0.0], [torch.inf, 0.0]])
    found = squared_distances(x, torch.ones(2, 2))
    assert found[0].isfinite().all()
    assert not found[1:].isfinite().any()


@pytest.mark.parametrize("side", [5, 2048])
@pytest.mark.parametrize("k", [1, 3, 9])
def test_nearest_is_a_trees(side: int, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "SIDE", side)
    x, y = randn(23, 3), randn(31, 3, seed=1)
    distance, index = nearest(x, y, k)
    expected, where = cKDTree(y.double().numpy()).query(x.double().numpy(), k)
    np.testing.assert_allclose(distance, expected.reshape(23, k), rtol=1e-9)
    np.testing.assert_array_equal(index, where.reshape(23, k))
    distance, index = nearest(y, y, k, others=True)
    expected, where = cKDTree(y.double().numpy()).query(y.double().numpy(), k + 1)
    np.testing.assert_allclose(distance, expected[:, 1:], rtol=1e-9)
    np.testing.assert_array_equal(index, where[:, 1:])


def test_too_many_neighbours_are_refused() -> None:
    x = randn(4, 2)
    with pytest.raises(ValueError, match="k must be between 1 and the 4 neighbours there are, got 5"):
        nearest(x, x, 5)
    with pytest.raises(ValueError, match="3 neighbours"):
        nearest(x, x, 4, others=True)
