"""Tails: the Pareto index against scipy's laws, and what may be trusted."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from gan_cli.estimation.tails import pareto_k, tail


@pytest.mark.parametrize("k", [-0.3, 0.0, 0.3, 0.7, 1.2])
def test_the_index_of_a_known_tail_is_found(k: float) -> None:
    found = [
        pareto_k(torch.from_numpy(stats.genpareto(k).rvs(20_000, random_state=seed))) for seed in range(5)
    ]
    assert np.mean(found) == pytest.approx(k, abs=0.06)


def test_it_agrees_with_the_maximum_likelihood_of_scipy() -> None:
    values = stats.t(3).rvs(40_000, random_state=1)
    top = np.sort(values)[-601:]
    likeliest = stats.genpareto.fit(top[1:] - top[0], floc=0)[0]
    weight = 600 / 610
    assert pareto_k(torch.from_numpy(values)) == pytest.approx(
        weight * likeliest + (1 - weight) * 0.5, abs=0.03
    )


def test_scale_and_shift_do_not_matter() -> None:
    values = torch.from_numpy(stats.t(2).rvs(5000, random_state=2))
    assert pareto_k(1e6 * values - 3e5) == pytest.approx(pareto_k(values), abs=1e-6)


def test_effective_examples_are_n_over_kurtosis() -> None:
    values = stats.t(9).rvs(5000, random_state=3)
    kurtosis = stats.kurtosis(values, fisher=False)
    assert tail(torch.from_numpy(values)).effective == pytest.approx(5000 / kurtosis)


def test_what_may_be_trusted() -> None:
    def seen(law: object) -> bool:
        return tail(torch.from_numpy(law.rvs(size=50_000, random_state=4))).light  # type: ignore[attr-defined]

    assert seen(stats.norm)
    assert seen(stats.lognorm(1.0))
    assert not seen(stats.pareto(1.5))  # infinite variance
    assert not seen(stats.lognorm(4.0))  # finite, and of no use
    assert not tail(torch.tensor([0.0, math.inf] * 50)).light
    constant = tail(torch.ones(100))
    assert (constant.light, constant.few) == (True, 0)
