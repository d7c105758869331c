"""The nearest training examples, a part of them at a time: those of brute force."""

from __future__ import annotations

import pytest
import torch
from scipy.spatial.distance import cdist

from gan_cli.metrics.blocks import merged
from gan_cli.sampling.neighbours import neighbours


def randn(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [1, 2, 7, 30])
@pytest.mark.parametrize("k", [1, 3, 40])
def test_parts_change_nothing(size: int, k: int) -> None:
    samples, training = randn(5, 1, 2, 3, seed=0), randn(30, 1, 2, 3, seed=1)
    found = neighbours(samples, training.split(size), k)
    distances = torch.from_numpy(cdist(samples.flatten(1).double(), training.flatten(1).double()))
    expected, order = distances.sort(1)
    torch.testing.assert_close(found.distances, expected[:, :k])
    assert torch.equal(found.examples, training[order[:, :k]])


def test_none_are_refused() -> None:
    with pytest.raises(ValueError, match="training must be at least one example"):
        neighbours(randn(1, 2, seed=0), [], 1)


@pytest.mark.parametrize("k", [1, 4, 20])
def test_two_lists_become_one_with_what_belongs_to_them(k: int) -> None:
    values, belongings = randn(6, 9, seed=2), randn(6, 9, 2, 2, seed=3)
    parts = [(values[:, columns], belongings[:, columns]) for columns in (slice(4), slice(4, 9))]
    found, with_it = merged(parts[0], parts[1], k)
    order = values.argsort(1)[:, :k]
    assert torch.equal(found, values.sort(1).values[:, :k])
    expected = torch.stack([belonging[one] for belonging, one in zip(belongings, order, strict=True)])
    assert torch.equal(with_it, expected)
