"""The classifier two-sample test: calibrated where the laws are one, powerful where they are not."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from gan_cli.metrics import two_sample_test
from gan_cli.metrics.two_sample_test import CLASSIFIERS, Classifier, classifier_test


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("classifier", "repeats"), [("logistic", 300), ("neighbour", 300), ("mlp", 40)])
def test_equal_laws_are_rejected_as_seldom_as_promised(classifier: Classifier, repeats: int) -> None:
    found = [
        classifier_test(randn(40, 3, seed=s), randn(40, 3, seed=10_000 + s), classifier, chance(s))
        for s in range(repeats)
    ]
    accuracy = torch.stack([one.accuracy for one in found])
    p = torch.stack([one.p for one in found])
    # The right answers of 40 held-out examples: mean 1/2, and 0.079 about it at the most.
    assert abs(accuracy.mean() - 0.5) < 4 * 0.079 / repeats**0.5
    for level in (0.01, 0.05, 0.2):
        assert (p <= level).double().mean() < level + 3.5 * math.sqrt(level * (1 - level) / repeats)
    assert (p <= 0.3).double().mean() > 0.1  # nor is it asleep


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_a_shift_is_seen(classifier: Classifier) -> None:
    found = classifier_test(randn(200, 3), randn(200, 3, seed=1) + 1.2, classifier, chance())
    assert found.accuracy > 0.7
    assert found.p < 1e-6
    assert found.error.item() == pytest.approx((found.accuracy * (1 - found.accuracy) / 200).sqrt().item())


def test_what_a_line_cannot_tell_apart() -> None:
    """x with one sign of x₁x₂ against the other: only the bent boundaries see it."""
    x = randn(1200, 2)
    same = x[:, 0] * x[:, 1] > 0
    found = {
        name: classifier_test(x[same][:500], x[~same][:500], name, chance()).accuracy.item()
        for name in CLASSIFIERS
    }
    assert found["logistic"] < 0.6
    assert min(found["mlp"], found["neighbour"]) > 0.9


def test_the_best_accuracy_of_two_gaussians_is_reached() -> None:
    """N(0, I) and N(δ, I) are told apart by Φ(|δ|/2) at best, which a line does."""
    found = classifier_test(randn(4000, 2), randn(4000, 2, seed=1) + 1, "logistic", chance())
    best = 0.5 * (1 + math.erf(math.sqrt(2) / 2 / math.sqrt(2)))
    assert abs(found.accuracy.item() - best) < 4 * found.error.item()


@pytest.mark.parametrize(("right", "count"), [(5, 8), (20, 20), (0, 6)])
def test_the_p_value_is_the_binomial_tail(right: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(*arguments: object) -> Tensor:
        truth = torch.arange(2).repeat_interleave(count // 2)
        return torch.where(torch.arange(count) < right, truth, 1 - truth)

    monkeypatch.setattr(two_sample_test, "_answers", answers)
    found = classifier_test(randn(count, 1), randn(count, 1), "logistic", chance())
    tail = sum(math.comb(count, k) for k in range(right, count + 1)) / 2**count
    assert found.p.item() == pytest.approx(tail, rel=1e-12)
    assert found.accuracy.item() == right / count


def test_the_nearest_neighbour_is_scikit_learns() -> None:
    train, test = randn(80, 4), randn(50, 4, seed=1)
    label = torch.arange(2).repeat_interleave(40)
    expected = KNeighborsClassifier(1).fit(train.numpy(), label.numpy()).predict(test.numpy())
    np.testing.assert_array_equal(two_sample_test._answers("neighbour", train, label, test, 0), expected)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_the_generator_settles_it_and_the_order_of_the_data_does_not_matter(classifier: Classifier) -> None:
    real, fake = randn(60, 2).sort(0).values, randn(90, 2, seed=1) + 0.3
    one, two = (classifier_test(real, fake, classifier, chance(3)) for _ in range(2))
    assert one == two
    # Of sorted data one side's halves would each be at the other end, were they not drawn at random.
    rising, falling = randn(200, 1, seed=2).sort(0).values, randn(200, 1, seed=3).sort(0).values.flip(0)
    assert 0.35 < classifier_test(rising, falling, classifier, chance(1)).accuracy < 0.65


def test_features_without_spread() -> None:
    real, fake = torch.ones(20, 3), torch.ones(20, 3)
    for classifier in CLASSIFIERS:
        assert classifier_test(real, fake, classifier, chance()).accuracy == 0.5
        assert classifier_test(real, 2 * fake, classifier, chance()).accuracy == 1


def test_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="samples must be at least 4 of either side, got 3"):
        classifier_test(randn(3, 2), randn(9, 2), "logistic", chance())
    with pytest.raises(ValueError, match="classifier must be one of"):
        classifier_test(randn(9, 2), randn(9, 2), "tree", chance())  # type: ignore[arg-type]
