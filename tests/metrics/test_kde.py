"""The Parzen log-likelihood: scikit-learn's estimator, closed forms, and the search for a bandwidth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.neighbors import KernelDensity
from torch import Tensor

from gan_cli.data.digits import Digits
from gan_cli.metrics import kde
from gan_cli.metrics.kde import best_bandwidth, cross_validation, parzen_log_density

SIGMAS = torch.tensor([0.05, 0.4, 3.0], dtype=torch.float64)


def draws(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("elements", [1, 600, 1 << 22])
@pytest.mark.parametrize("dims", [1, 3, 60])
def test_it_is_scikit_learns_kernel_density(
    dims: int, elements: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kde, "_ELEMENTS", elements)
    samples, x = draws(0, 200, dims) + 5, 2 * draws(1, 41, dims) + 5
    found = parzen_log_density(x, samples, SIGMAS)
    for row, sigma in zip(found, SIGMAS.tolist(), strict=True):
        # One leaf: across several of its tree's leaves scikit-learn loses digits, at worst all of them.
        expected = KernelDensity(bandwidth=sigma, leaf_size=200).fit(samples).score_samples(x)
        np.testing.assert_allclose(row, expected, rtol=1e-11, atol=1e-9)


def test_no_more_distances_are_held_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kde, "_ELEMENTS", 700)
    seen: list[int] = []
    whole = kde._log_sums

    def watched(x: Tensor, samples: Tensor, *rest: Any) -> Tensor:
        seen.append(len(x) * len(samples))
        return whole(x, samples, *rest)

    monkeypatch.setattr(kde, "_log_sums", watched)
    parzen_log_density(draws(0, 50, 2), draws(1, 100, 2), SIGMAS)
    assert sum(seen) == 5000
    assert max(seen) <= 700


def test_single_precision_costs_less_than_a_thousandth_of_a_nat_on_images() -> None:
    images = torch.from_numpy(np.asarray(Digits(size=28).load().images)).flatten(1)
    exact = images.double() / 255
    sigmas = torch.tensor([0.1, 0.2, 1.0])
    found = parzen_log_density(
        exact[:300].float() + 7, exact[300:].float() + 7, sigmas
    )  # far from the origin
    expected = parzen_log_density(
        (exact[:300].float() + 7).double(), (exact[300:].float() + 7).double(), sigmas
    )
    assert (found.mean(1) - expected.mean(1)).abs().max() < 1e-3
    assert (found - expected).abs().max() < 5e-3


def test_a_stretch_shifts_the_log_density_by_its_logarithm_a_dimension() -> None:
    samples, x = draws(0, 90, 7), draws(1, 30, 7)
    stretched = parzen_log_density(0.8 * x + 0.1, 0.8 * samples + 0.1, 0.8 * SIGMAS)
    expected = parzen_log_density(x, samples, SIGMAS) - 7 * math.log(0.8)
    torch.testing.assert_close(stretched, expected)


def test_one_sample_many_times_is_a_gaussian() -> None:
    x = draws(1, 30, 5)
    expected = torch.distributions.Normal(0.25, SIGMAS[:, None, None]).log_prob(x).sum(-1)
    torch.testing.assert_close(parzen_log_density(x, torch.full((40, 5), 0.25).double(), SIGMAS), expected)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_samples_that_are_not_finite_make_every_density_nan(bad: float) -> None:
    samples = draws(0, 20, 3)
    samples[4, 1] = bad
    assert parzen_log_density(draws(1, 6, 3), samples, SIGMAS).isnan().all()


def test_what_is_no_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="samples must be at least one, got 0"):
        parzen_log_density(draws(0, 4, 2), draws(0, 0, 2), SIGMAS)
    with pytest.raises(ValueError, match=r"samples must be of shape \(2,\), got \(3,\)"):
        parzen_log_density(draws(0, 4, 2), draws(0, 4, 3), SIGMAS)
    with pytest.raises(ValueError, match="samples must be at least as many as folds=3, got 2"):
        cross_validation(draws(0, 2, 2), SIGMAS, 3)
    with pytest.raises(ValueError, match="folds must be at least 2, got 1"):
        cross_validation(draws(0, 9, 2), SIGMAS, 1)
    assert parzen_log_density(draws(0, 0, 2), draws(0, 4, 2), SIGMAS).shape == (3, 0)


def test_cross_validation_is_scikit_learns_over_the_same_folds() -> None:
    samples = draws(0, 120, 4)
    split = PredefinedSplit(np.arange(120) % 3)
    search = GridSearchCV(KernelDensity(leaf_size=120), {"bandwidth": SIGMAS.tolist()}, cv=split).fit(samples)
    expected = search.cv_results_["mean_test_score"] / 40  # scikit-learn adds up a fold
    np.testing.assert_allclose(cross_validation(samples, SIGMAS, 3), expected, rtol=1e-9)
    assert float(best_bandwidth(lambda s: cross_validation(samples, s), 0.05, 3, 2)) == pytest.approx(3)


def test_a_part_of_each_fold_gives_a_like_score() -> None:
    samples, sigma = draws(0, 3000, 2), torch.tensor([0.3])
    whole, part = cross_validation(samples, sigma), cross_validation(samples, sigma, most=250)
    assert whole != part
    torch.testing.assert_close(
        part, whole, atol=0.15, rtol=0
    )  # 750 terms with a deviation of 1: three errors


def test_refining_finds_the_best_between_the_grids_values() -> None:
    asked: list[int] = []

    def score(sigmas: Tensor) -> Tensor:
        asked.append(len(sigmas))
        return -(sigmas.log() - math.log(0.3)).square()

    assert float(best_bandwidth(score, 0.01, 1, 5)) == pytest.approx(10**-0.5)
    assert float(best_bandwidth(score, 0.01, 1, 5, refine=8)) == pytest.approx(0.3, rel=1e-2)
    assert asked == [5] * 10
    assert float(best_bandwidth(lambda s: -s, 0.01, 1, 5, refine=2)) == pytest.approx(0.01)
    assert float(best_bandwidth(lambda s: s * math.nan, 0.01, 1, 5)) == pytest.approx(0.01)


@pytest.mark.parametrize("scale", [0.1, 1.0, 100.0, 1e6])
def test_a_bandwidth_above_the_grid_is_found(scale: float) -> None:
    """It goes with the unit of the samples, as log-densities do but for a constant."""
    samples = draws(0, 300, 2)

    def score(sigmas: Tensor) -> Tensor:
        return cross_validation(scale * samples, sigmas)

    expected = float(best_bandwidth(lambda s: cross_validation(samples, s), 0.001, 10, 400))
    assert float(best_bandwidth(score, 0.0001, 0.01, 8, refine=3)) == pytest.approx(
        scale * expected, rel=0.02
    )


def test_repeated_samples_end_at_the_least_bandwidth() -> None:
    repeated = draws(0, 50, 2).repeat_interleave(6, 0)
    found = best_bandwidth(lambda s: cross_validation(repeated, s), 0.01, 1, 5, refine=1)
    assert float(found) == pytest.approx(0.01)
