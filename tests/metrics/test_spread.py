"""The mean distance, against scipy's."""

from __future__ import annotations

import pytest
import torch
from scipy.spatial.distance import pdist

from gan_cli.metrics.spread import mean_distance


@pytest.mark.parametrize(
    "shape", [(2, 1), (127, 2), (128, 2), (129, 2), (700, 3), (50, 8), (50, 9), (40, 3, 4)]
)
def test_it_is_the_mean_over_all_pairs(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 3 + 100
    assert float(mean_distance(x)) == pytest.approx(pdist(x.flatten(1).double()).mean(), rel=1e-5)


@pytest.mark.parametrize("dimensions", [2, 20])
def test_collapse_is_zero_and_nan_is_not_hidden(dimensions: int) -> None:
    x = torch.full((300, dimensions), 1.7)
    assert float(mean_distance(x)) == 0
    x[5, 1] = torch.nan
    assert mean_distance(x).isnan()
