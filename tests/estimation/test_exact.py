"""The divergence where both densities are known: quadrature and means against integrals and closed forms."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from gan_cli.data.base import Distribution
from gan_cli.data.gaussian import Gaussian
from gan_cli.data.synthetic import Mixture, Ring
from gan_cli.divergences.alpha import Alpha
from gan_cli.estimation.exact import exact, gaussian_moments
from gan_cli.estimation.parts import best_parts
from gan_cli.losses.base import Loss
from gan_cli.losses.fgan import FGAN
from gan_cli.streams import Streams
from tests.games import CPU, loss
from tests.laws.cases import double, every_critic
from tests.laws.integrals import PAIRS, TRUTH, by_definition

STREAMS = Streams(0, CPU)


def gaussian(**fields: Any) -> Distribution:
    return Gaussian(**fields).load()


@every_critic
def test_quadrature_on_the_line_is_the_integral(loss: Loss) -> None:
    if best_parts(loss, double(0.0), double(0.0)) is None or loss.paired:
        return
    pair = PAIRS[0]
    p, q = gaussian(mean=(pair.m,), std=(pair.s,)), gaussian(mean=(pair.n,), std=(pair.t,))
    found = exact(loss, p, q, STREAMS)
    assert found is not None
    assert found.method == "quadrature"
    truth = (
        by_definition(loss.divergence, pair) if isinstance(loss, FGAN) else TRUTH[loss.divergence_name](pair)
    )
    assert found.value == pytest.approx(truth, abs=1e-5 + 3 * found.error)


def test_two_and_ten_dimensions_against_the_closed_form() -> None:
    a, b = torch.tensor([[1.0, 0.4], [0.4, 0.8]]), torch.tensor([[0.9, -0.1], [-0.1, 1.1]])
    p, q = gaussian(covariance=a.tolist()), gaussian(mean=(0.5, -0.2), covariance=b.tolist())
    truth = kl_divergence(
        MultivariateNormal(torch.zeros(2), a), MultivariateNormal(torch.tensor([0.5, -0.2]), b)
    )
    found = exact(loss("fgan_kl"), p, q, STREAMS)
    assert found is not None
    assert found.value == pytest.approx(float(truth), abs=1e-6)
    p, q = gaussian(dimension=10, mean=(0.0,)), gaussian(dimension=10, mean=(0.2,), std=(1.1,))
    ten = 10 * (math.log(1.1) + (1 + 0.04) / (2 * 1.21) - 0.5)
    found = exact(loss("fgan_kl"), p, q, STREAMS)
    assert found is not None
    assert found.method == "Monte Carlo"
    assert found.value == pytest.approx(ten, abs=4 * found.error)
    assert found.error < 0.02 * ten


def test_narrow_modes_in_the_plane_are_drawn_from() -> None:
    found = exact(loss("fgan_js"), Ring(std=1e-3).load(), gaussian(), STREAMS)
    assert found is not None
    assert found.method == "Monte Carlo"
    assert found.value == pytest.approx(math.log(4), abs=1e-3)


# E_Q[(p/q)^s] < ∞ between N(0, σ²) and N(0, 1) exactly where s/σ² > s − 1.
@pytest.mark.parametrize(
    ("name", "variance", "expected"),
    [
        ("fgan_kl", 1.9, (True, True)),
        ("fgan_kl", 2.1, (True, False)),
        ("fgan_rkl", 0.6, (True, True)),
        ("fgan_rkl", 0.4, (True, False)),
        ("fgan_pearson", 1.3, (True, True)),
        ("fgan_pearson", 1.4, (True, False)),
        ("fgan_pearson", 2.1, (False, False)),
        ("fgan_neyman", 0.4, (False, False)),
        ("fgan_jeffreys", 0.4, (True, False)),
        ("fgan_js", 30.0, (True, True)),
        ("fgan_tv", 30.0, (True, True)),
        ("fgan_hellinger", 30.0, (True, True)),
        ("lsgan", 30.0, (True, True)),
    ],
)
def test_moments_of_two_gaussians(name: str, variance: float, expected: tuple[bool, bool]) -> None:
    p, q = gaussian(mean=(0.0,), std=(math.sqrt(variance),)), gaussian(mean=(0.0,))
    assert gaussian_moments(loss(name), p, q) == expected
    infinite = not expected[0]
    found = exact(loss(name), p, q, STREAMS)
    assert found is not None
    assert math.isinf(found.value) == infinite


def test_moments_are_unknown_of_other_laws() -> None:
    mixture = Mixture(means=((0.0,), (1.0,))).load()
    assert gaussian_moments(loss("fgan_kl"), mixture, gaussian(mean=(0.0,))) is None
    one = Mixture(means=((0.0,),), stds=(3.0,)).load()
    assert gaussian_moments(loss("fgan_kl"), one, gaussian(mean=(0.0,))) == (True, False)
    assert exact(loss("wgan"), one, one, STREAMS) is None


@pytest.mark.parametrize("alpha", [3.0, 4.0, 6.0])
def test_a_steep_alpha_of_close_gaussians_is_finite(alpha: float) -> None:
    """E_Q[u^α] = e^{α(α−1)m²/2} between N(m, 1) and N(0, 1), so D_α = (that − 1)/(α(α−1))."""
    p, q = gaussian(mean=(0.1,)), gaussian(mean=(0.0,))
    steep = FGAN(Alpha(alpha))
    assert gaussian_moments(steep, p, q) == (True, True)
    found = exact(steep, p, q, STREAMS)
    assert found is not None
    expected = math.expm1(alpha * (alpha - 1) * 0.1**2 / 2) / (alpha * (alpha - 1))
    assert found.value == pytest.approx(expected, rel=1e-4)
