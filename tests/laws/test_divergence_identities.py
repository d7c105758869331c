"""Closed forms of divergences, and divergences that are each other or a multiple."""

from __future__ import annotations

import math

import pytest
import torch

from gan_cli.divergences.alpha import Alpha
from gan_cli.divergences.base import Divergence
from gan_cli.divergences.gan import GAN
from gan_cli.divergences.hellinger import Hellinger
from gan_cli.divergences.jeffreys import Jeffreys
from gan_cli.divergences.jensen_shannon import JensenShannon
from gan_cli.divergences.kl import KL
from gan_cli.divergences.neyman import Neyman
from gan_cli.divergences.pearson import Pearson
from gan_cli.divergences.reverse_kl import ReverseKL
from gan_cli.divergences.weighted_js import WeightedJensenShannon
from tests.laws.integrals import (
    PAIRS,
    Gaussians,
    by_definition,
    pairs,
)

RATIOS = torch.linspace(-6, 6, 121, dtype=torch.float64).exp()


@pairs
def test_closed_forms_between_gaussians(pair: Gaussians) -> None:
    m, s, n, t = pair.m, pair.s, pair.n, pair.t
    kl = math.log(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5
    rkl = math.log(s / t) + (t**2 + (m - n) ** 2) / (2 * s**2) - 0.5
    affinity = math.sqrt(2 * s * t / (s**2 + t**2)) * math.exp(-((m - n) ** 2) / (4 * (s**2 + t**2)))

    def chi_square(s: float, t: float) -> float:
        spread = 2 * t**2 - s**2
        return t**2 / (s * math.sqrt(spread)) * math.exp((m - n) ** 2 / spread) - 1

    expected: dict[Divergence, float] = {
        KL(): kl,
        ReverseKL(): rkl,
        Jeffreys(): kl + rkl,
        Pearson(): chi_square(s, t),
        Neyman(): chi_square(t, s),
        Hellinger(): 2 - 2 * affinity,
    }
    for divergence, value in expected.items():
        assert by_definition(divergence, pair) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize(
    ("alpha", "twin", "factor"), [(2.0, Pearson(), 0.5), (0.5, Hellinger(), 2.0), (-1.0, Neyman(), 0.5)]
)
def test_alpha_at_special_values(alpha: float, twin: Divergence, factor: float) -> None:
    d = Alpha(alpha=alpha)
    v = torch.linspace(-3, 3, 61, dtype=torch.float64)
    torch.testing.assert_close(d.f(RATIOS), factor * twin.f(RATIOS), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(d.derivative_at_exp(v), factor * twin.derivative_at_exp(v))
    torch.testing.assert_close(d.conjugate_at_exp(v), factor * twin.conjugate_at_exp(v))
    for pair in PAIRS:
        assert by_definition(d, pair) == pytest.approx(factor * by_definition(twin, pair), rel=1e-9)


@pytest.mark.parametrize(("alpha", "sign", "twin"), [(1.0, -1, KL()), (0.0, 1, ReverseKL())])
@pytest.mark.parametrize("step", [1e-5, -1e-5])
def test_alpha_tends_to_kl_up_to_a_linear_term(
    alpha: float, sign: int, twin: Divergence, step: float
) -> None:
    u = RATIOS[RATIOS < 20]
    limit = twin.f(u) + sign * (u - 1)
    torch.testing.assert_close(Alpha(alpha=alpha + step).f(u), limit, rtol=1e-4, atol=1e-4)
    for pair in PAIRS:
        assert by_definition(Alpha(alpha=alpha + step), pair) == pytest.approx(
            by_definition(twin, pair), rel=1e-4
        )


def test_jensen_shannon_family() -> None:
    """JS - GAN = ln 4, and weighted at ½ is half: f, the value, and T and f* as functions of ln p/q."""
    js, gan, half = JensenShannon(), GAN(), WeightedJensenShannon(pi=0.5)
    v = torch.linspace(-30, 30, 61, dtype=torch.float64)
    torch.testing.assert_close(js.f(RATIOS) - gan.f(RATIOS), (1 + RATIOS) * math.log(2))
    torch.testing.assert_close(half.f(RATIOS), js.f(RATIOS) / 2, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(half.derivative_at_exp(v), js.derivative_at_exp(v) / 2)
    torch.testing.assert_close(half.conjugate_at_exp(v), js.conjugate_at_exp(v) / 2)
    for pair in PAIRS:
        twice = by_definition(js, pair)
        assert twice - by_definition(gan, pair) == pytest.approx(math.log(4), rel=1e-9)
        assert by_definition(half, pair) == pytest.approx(twice / 2, rel=1e-9)


@pairs
@pytest.mark.parametrize("pi", [0.1, 0.5, 0.8])
def test_weighted_js_is_the_weighted_sum_of_two_divergences_to_the_mixture(
    pair: Gaussians, pi: float
) -> None:
    def integrand(x: float) -> float:
        p, q = pair.densities(x)
        m = pi * p + (1 - pi) * q
        return pi * p * math.log(p / m) + (1 - pi) * q * math.log(q / m)

    found = by_definition(WeightedJensenShannon(pi=pi), pair)
    assert found == pytest.approx(pair.integral(integrand), rel=1e-9)


@pairs
def test_the_rules_of_quadrature_are_exact(pair: Gaussians) -> None:
    """Mass 1, and the right second moment."""
    x, p, q = pair.nodes()
    assert p.sum().item() == pytest.approx(1.0, rel=1e-13)
    assert (q * (x - pair.n) ** 2).sum().item() == pytest.approx(pair.t**2, rel=1e-12)
    assert pair.integral(lambda x: pair.densities(x)[1]) == pytest.approx(1.0, rel=1e-12)
