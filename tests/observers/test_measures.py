from __future__ import annotations

import math

import pytest
import torch

from gan_cli.metrics.modes import mode_coverage
from gan_cli.metrics.spread import mean_distance, spread


def test_modes_of_a_sample_that_is_known() -> None:
    modes = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])
    sample = torch.cat(
        [modes[:2].repeat(6, 1), torch.tensor([[0.0, 3.5], [0.31, 0.0], [0.29, 0.0], [math.nan, 0]])]
    )
    covered, quality, kl, effective = mode_coverage(sample, modes, 0.1)
    assert int(covered) == 2
    assert float(quality) == pytest.approx(13 / 16)
    q = torch.tensor([8, 6, 1]) / 15
    assert float(kl) == pytest.approx(float((q * (4 * q).log()).sum()))
    # The perplexity as a product of powers.
    assert float(effective) == pytest.approx(1 / math.prod(float(p) ** float(p) for p in q))


def test_each_mode_has_its_own_scale_and_weight() -> None:
    modes, sample = torch.tensor([[0.0], [10.0]]), torch.tensor([[2.0], [12.0], [12.0], [12.0]])
    found = mode_coverage(sample, modes, torch.tensor([0.1, 1.0]), torch.tensor([0.25, 0.75]))
    assert [float(x) for x in found] == pytest.approx([1, 0.75, 0, 4 / 3**0.75])


def test_nothing_finite_is_nothing_covered() -> None:
    covered, quality, kl, effective = mode_coverage(torch.full((5, 1), math.nan), torch.zeros(3, 1), 1.0)
    assert (int(covered), float(quality)) == (0, 0)
    assert math.isnan(kl)
    assert math.isnan(effective)


def test_spread_is_a_ratio_of_mean_distances() -> None:
    x = torch.randn(200, 3, 4, generator=torch.Generator().manual_seed(0))
    distance = torch.cdist(x.flatten(1), x.flatten(1)).sum() / (200 * 199)
    assert float(mean_distance(x)) == pytest.approx(float(distance), rel=1e-4)
    assert float(spread(0.5 * x + 3, x)) == pytest.approx(0.5, rel=1e-4)
    assert float(spread(x[:1].expand(50, 3, 4), x)) == 0
