"""Estimates against known answers, and the numbers that must not be believed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from gan_cli.data.base import Dataset, Distribution, Table
from gan_cli.data.gaussian import Gaussian
from gan_cli.data.synthetic import Mixture
from gan_cli.estimation.estimate import Measured, estimate
from gan_cli.estimation.samples import Split, source
from gan_cli.estimation.training import Settings
from gan_cli.models.mlp import Critic
from gan_cli.network import Network
from gan_cli.streams import Streams
from gan_cli.transforms.adam import Adam
from tests.games import CPU, loss


def measured(
    name: str,
    p: Dataset,
    q: Dataset,
    known: bool = True,
    critic: Callable[[], nn.Module] | None = None,
    **options: Any,
) -> Measured:
    streams = Streams(0, CPU)
    first, second = p.load(), q.load()
    assert isinstance(first, Distribution)
    assert isinstance(second, Distribution)
    network = Network(critic or (lambda: Critic(p.shape, width=32, depth=2, activation="elu")))
    optimizer = Adam(lr=5e-3, betas=(0.9, 0.999))
    quick: dict[str, Any] = {"steps": 500, "samples": 200_000, "checks": 5, "optimizer": optimizer}
    settings = Settings(**quick | options)
    sides = source(p, first, streams, "p"), source(q, second, streams, "q")
    laws = (first, second) if known else None
    return estimate(loss(name), network, *sides, settings, streams, laws)


def line(mean: float, std: float = 1.0) -> Gaussian:
    return Gaussian(mean=(mean,), std=(std,))


# KL between N(0, I) and N(m, I) is |m|²/2, Pearson's χ² e^{|m|²} − 1, TV erf(|m|/√8), all in any dimension.
@pytest.mark.parametrize(
    ("name", "p", "q", "truth", "within"),
    [
        ("fgan_kl", line(0.0), line(0.7), 0.245, 0.02),
        ("fgan_pearson", line(0.0), line(0.6), math.expm1(0.36), 0.02),
        ("fgan_tv", line(0.0), line(0.7), math.erf(0.7 / math.sqrt(8)), 0.02),
        ("fgan_kl", Gaussian(mean=(0.0,), dimension=10), Gaussian(mean=(0.25,), dimension=10), 0.3125, 0.05),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_known_answers(name: str, p: Dataset, q: Dataset, truth: float, within: float) -> None:
    found = measured(name, p, q).estimate
    assert found.reliable
    assert found.warnings == ()
    assert found.bound.value == pytest.approx(truth, rel=within)
    assert found.truth is not None
    assert found.truth.exact.value == pytest.approx(truth, abs=1e-4 + 4 * found.truth.exact.error)
    assert found.truth.correlation > 0.9


def test_js_by_classifier_and_by_f_gan_agree_on_a_mixture() -> None:
    p, q = Mixture(means=((-1.5,), (1.5,)), stds=(0.8,)), line(0.0, 1.7)
    by_name = {name: measured(name, p, q, steps=600, samples=100_000).estimate for name in ("gan", "fgan_js")}
    classifier, f_gan = by_name["gan"], by_name["fgan_js"]
    assert classifier.ratio is not None
    assert classifier.truth is not None
    assert classifier.at_equality == pytest.approx(-math.log(4))
    jsd = classifier.ratio.jensen_shannon.value
    assert (classifier.bound.value + math.log(4)) / 2 == pytest.approx(jsd, abs=1e-9)
    assert f_gan.bound.value / 2 == pytest.approx(jsd, rel=0.02)
    assert (classifier.truth.exact.value + math.log(4)) / 2 == pytest.approx(jsd, rel=0.02)
    assert classifier.ratio.before.error < 0.02
    assert classifier.truth.ratio_error is not None
    assert classifier.truth.ratio_error < 0.7


def test_a_heavy_ratio_is_called_unreliable() -> None:
    found = measured("fgan_kl", line(0.0, 2.0), line(0.0)).estimate
    assert not found.reliable
    assert any("variance of the best critic's bound is infinite" in line for line in found.warnings)
    blind = measured("fgan_kl", line(3.0), line(0.0), known=False, steps=300).estimate
    assert (blind.reliable, blind.truth) == (False, None)
    assert "rests on few examples" in blind.warnings[0]
    infinite = measured("fgan_pearson", line(0.0, 2.0), line(0.0), steps=50, samples=20_000).estimate
    assert any("χ²(P‖Q) is infinite" in line for line in infinite.warnings)


def test_equal_laws_have_nothing_between_them() -> None:
    found = measured("fgan_js", line(0.0), line(0.0), steps=100, samples=20_000).estimate
    assert found.bound.value == pytest.approx(0, abs=4 * found.bound.standard_error + 2e-4)


def test_a_memorised_table_is_not_taken_for_a_divergence() -> None:
    # Two tables of one law: a critic that learns both by heart is worth nothing on what they hold out.
    g = torch.Generator().manual_seed(0)
    streams = Streams(0, CPU)
    sides = [Split(Table(torch.randn(300, 5, generator=g)), lambda x: x, streams, name) for name in "pq"]
    network = Network(lambda: Critic((5,), width=64, depth=2))
    settings = Settings(steps=400, batch_size=180, checks=10, optimizer=Adam(lr=5e-3, betas=(0.9, 0.999)))
    found = estimate(loss("fgan_js"), network, sides[0], sides[1], settings, streams).estimate
    assert found.bound.value < 0.05
    assert found.samples == (60, 60)


def test_the_same_seed_gives_the_same_number() -> None:
    once, again = (
        measured("fgan_js", line(0.0), line(1.0), steps=20, samples=1000).estimate for _ in range(2)
    )
    assert once == again


def test_a_lipschitz_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="loss must be bounded over all critics.*Lipschitz"):
        measured("wgan", line(0.0), line(1.0))


def test_a_critic_with_batch_norm_measures_as_well() -> None:
    """Both sides must be normalised in training as they are when they are held."""

    def critic() -> nn.Module:
        layers = [nn.Linear(1, 32), nn.BatchNorm1d(32), nn.Softplus(), nn.Linear(32, 1), nn.Flatten(0)]
        return nn.Sequential(*layers)

    found = measured("fgan_kl", line(0.0), line(1.0), critic=critic).estimate
    assert found.bound.value == pytest.approx(0.5, rel=0.05)
