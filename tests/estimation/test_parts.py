"""Bounds as means of parts; the classifier's JSD; calibration."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from gan_cli.estimation.parts import best_parts, parts
from gan_cli.estimation.ratio import calibrate, jensen_shannon, reliability
from gan_cli.losses.base import Loss
from tests.games import loss
from tests.laws.cases import best, every_critic, optimal
from tests.laws.integrals import PAIRS, expected_bound
from tests.laws.integrals import jensen_shannon as integrated

PAIR = PAIRS[0]


def drawn(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """ln p/q at n draws of P and of Q."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(2, n, generator=g, dtype=torch.float64)
    return PAIR.log_ratio(PAIR.m + PAIR.s * x[0]), PAIR.log_ratio(PAIR.n + PAIR.t * x[1])


@every_critic
def test_the_mean_of_the_parts_is_the_bound(loss: Loss) -> None:
    g = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 50, generator=g, dtype=torch.float64)
    assert parts(loss, real, fake).mean == pytest.approx(float(loss.bound(real, fake)), rel=1e-9, abs=1e-12)


@optimal
def test_the_best_parts_are_those_of_the_best_score(loss: Loss) -> None:
    real, fake = drawn(100)
    found = best_parts(loss, real, fake)
    assert found is not None
    assert found.mean == pytest.approx(float(loss.bound(best(loss)(real), best(loss)(fake))), rel=1e-9)


@pytest.mark.parametrize("name", ["fgan_kl", "gan", "rpgan"])
def test_the_interval_covers_what_the_critic_is_worth(name: str) -> None:
    def critic(ratio: Tensor) -> Tensor:
        return 0.8 * ratio + 0.1

    truth = expected_bound(loss(name), PAIR, critic)
    covered, errors, means = 0, [], []
    for seed in range(200):
        real, fake = drawn(400, seed)
        found = parts(loss(name), critic(real), critic(fake))
        low, high = found.interval
        covered += low <= truth <= high
        errors.append(found.standard_error)
        means.append(found.mean)
    assert 0.9 <= covered / 200 <= 0.98
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.15)


def test_the_classifier_bounds_jsd_and_reaches_it() -> None:
    real, fake = drawn(200_000)
    truth = integrated(PAIR)
    exact = jensen_shannon(real, fake)
    assert exact.mean == pytest.approx(truth, abs=4 * exact.standard_error)
    # Whatever the critic, the same number as f-GAN's JS and the GAN's bound in nats of JSD.
    score = 1.3 * torch.cat([real, fake]) - 0.2
    a, b = score[:200_000], score[200_000:]
    by_classifier = jensen_shannon(a, b).mean
    assert by_classifier < exact.mean
    assert parts(loss("fgan_js"), a, b).mean / 2 == pytest.approx(by_classifier)
    assert (parts(loss("gan"), a, b).mean + math.log(4)) / 2 == pytest.approx(by_classifier)


def test_calibration_is_logistic_regression() -> None:
    real, fake = drawn(5000)
    a, b = 2.5 * real - 0.7, 2.5 * fake - 0.7
    found = calibrate(a, b)
    features = torch.cat([a, b]).numpy()[:, None]
    model = LogisticRegression(C=1e9, tol=1e-10).fit(features, np.repeat([1, 0], 5000))
    assert 1 / found.temperature == pytest.approx(model.coef_[0, 0], rel=1e-3)
    assert found.bias == pytest.approx(model.intercept_[0], abs=1e-3)
    assert found.temperature == pytest.approx(2.5, rel=0.15)


def test_calibration_weighs_both_sides_alike() -> None:
    real, fake = drawn(40_000)
    found = calibrate(real, fake[:4000])
    assert found.bias == pytest.approx(0, abs=0.05)


def test_reliability_finds_what_is_wrong_and_calibration_mends_it() -> None:
    real, fake = drawn(100_000)
    assert reliability(real, fake).error < 0.006
    bad = reliability(3 * real, 3 * fake)
    assert bad.error > 0.05
    fitted = calibrate(3 * real, 3 * fake)
    assert reliability(fitted(3 * real), fitted(3 * fake)).error < 0.006
    assert sum(bad.weight) == pytest.approx(1)
    # By hand: at prediction 0.9 one in two is real.
    nine = torch.full((4,), math.log(9), dtype=torch.float64)
    assert reliability(nine, nine).error == pytest.approx(0.4)
