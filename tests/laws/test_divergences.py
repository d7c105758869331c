"""Laws that every divergence named by a yaml of configs/loss obeys."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import optimize
from torch import Tensor

from gan_cli.divergences.alpha import Alpha
from gan_cli.divergences.base import Divergence
from gan_cli.divergences.gan import GAN
from gan_cli.divergences.total_variation import TotalVariation
from gan_cli.divergences.weighted_js import WeightedJensenShannon
from tests.laws.cases import divergences, double, slope
from tests.laws.integrals import Gaussians, by_definition, pairs

RATIOS = torch.linspace(-6, 6, 121, dtype=torch.float64).exp()
SCORES = torch.linspace(-60, 60, 241, dtype=torch.float64)
every = pytest.mark.parametrize("d", divergences())


@every
def test_f_is_convex_and_vanishes_at_one(d: Divergence) -> None:
    assert (d.derivative(RATIOS).diff() >= 0).all()
    chords = (d.f(RATIOS[:-1]) + d.f(RATIOS[1:])) / 2
    assert (chords - d.f((RATIOS[:-1] + RATIOS[1:]) / 2) >= -1e-12 * chords.abs()).all()
    at_one = d.f(double(1.0)).item()
    assert at_one == pytest.approx(-math.log(4) if isinstance(d, GAN) else 0.0, abs=1e-15)


@every
def test_derivative_is_that_of_f(d: Divergence) -> None:
    u = RATIOS[RATIOS != 1].clone().requires_grad_()
    torch.testing.assert_close(slope(d.f(u), u), d.derivative(u), rtol=1e-8, atol=1e-9)


@every
@pytest.mark.parametrize("v", [-3.0, -1.3, -0.2, 0.0, 0.7, 2.4])
def test_conjugate_is_the_supremum(d: Divergence, v: float) -> None:
    t = d.activation(double(v))

    def negative(y: float) -> float:  # unimodal in y, since tu - f(u) is concave in u = e^y
        u = double(y).exp()
        return -(t * u - d.f(u)).item()

    found = optimize.minimize_scalar(negative, bounds=(-80, 80), method="bounded", options={"xatol": 1e-10})
    ours = d.conjugate(t).item()
    if t > d.derivative(double(-80.0).exp()):
        assert ours == pytest.approx(-found.fun, rel=1e-7, abs=1e-8)
    else:  # the supremum over u > 0 is f's limit at 0; a conjugate taken over all real u lies above it
        assert ours >= -found.fun - 1e-9


@every
def test_fenchel_and_young(d: Divergence) -> None:
    t = d.derivative(RATIOS)
    equal = RATIOS * t - d.f(RATIOS)
    scale = 1e-10 * (1 + (RATIOS * t).abs() + d.f(RATIOS).abs())
    assert ((d.conjugate(t) - equal).abs() <= 10 * scale).all()
    others = d.activation(torch.linspace(-3, 3, 41, dtype=torch.float64))[:, None]
    gap = d.f(RATIOS) + d.conjugate(others) - RATIOS * others
    assert (gap >= -scale - 1e-9 * (RATIOS * others).abs()).all()


@every
def test_activation_increases_into_the_domain(d: Divergence) -> None:
    low, high = d.domain
    middle = d.activation(SCORES[SCORES.abs() <= 15])
    assert ((low < middle) & (middle < high)).all()
    assert (middle.diff() > 0).all()
    ends = d.activation(SCORES)  # far out a value rounds to the end of the domain itself
    assert ((low <= ends) & (ends <= high) & ends.isfinite()).all()


@every
def test_stable_conjugate_equals_the_naive_one(d: Divergence) -> None:
    v = torch.linspace(-8, 8, 161, dtype=torch.float64)
    torch.testing.assert_close(
        d.conjugate_of_activation(v), d.conjugate(d.activation(v)), rtol=1e-9, atol=1e-11
    )


@every
def test_log_ratio_forms_equal_the_naive_ones(d: Divergence) -> None:
    v = torch.linspace(-4, 4, 80, dtype=torch.float64)  # even: 0 is no node, where total variation has a step
    torch.testing.assert_close(d.derivative_at_exp(v), d.derivative(v.exp()), rtol=1e-10, atol=1e-12)
    naive = v.exp() * d.derivative(v.exp()) - d.f(v.exp())
    torch.testing.assert_close(d.conjugate_at_exp(v), naive, rtol=1e-8, atol=1e-10)


@every
def test_a_score_stands_for_the_slope_of_its_conjugate(d: Divergence) -> None:
    """d f*(T)/dV = (p/q) dT/dV, since df*/dt = u at t = f'(u): holds the stable forms far out too."""
    v = SCORES.clone().requires_grad_()
    ratio = d.log_ratio(v)
    if ratio is not None:
        inside = ratio.detach() > -math.inf
        expected = ratio.exp() * slope(d.activation(v), v)
        torch.testing.assert_close(
            slope(d.conjugate_of_activation(v), v)[inside], expected[inside], rtol=1e-9, atol=0
        )
    if d.smooth:
        expected = v.exp() * slope(d.derivative_at_exp(v), v)
        torch.testing.assert_close(slope(d.conjugate_at_exp(v), v), expected, rtol=1e-9, atol=0)


@every
def test_best_score_and_density_ratio_are_inverse(d: Divergence) -> None:
    rho = torch.linspace(-6, 6, 41, dtype=torch.float64)
    score = d.optimal_score(rho)
    if score is None:
        assert d.log_ratio(rho) is None
        return
    torch.testing.assert_close(d.activation(score), d.derivative(rho.exp()), rtol=1e-9, atol=1e-12)
    back = d.log_ratio(score)
    if back is not None:
        torch.testing.assert_close(back, rho, rtol=1e-9, atol=1e-9)


@every
@pairs
def test_divergence_is_not_negative_and_nothing_between_equals(d: Divergence, pair: Gaussians) -> None:
    least = d.f(double(1.0)).item()
    assert by_definition(d, pair) > least
    same = Gaussians(pair.m, pair.s, pair.m, pair.s)
    assert by_definition(d, same) == pytest.approx(least, abs=1e-9)


def test_alpha_above_one_is_flat_below_its_clamp() -> None:
    """There the supremum is at u = 0, value -f(0) = -1/α, and derivatives are 0 and never NaN."""
    for alpha in (1.5, 2.0, 3.0):
        t = double(-50.0, -1 / (alpha - 1), -1 / (alpha - 1) - 1e-9).requires_grad_()
        value = Alpha(alpha=alpha).conjugate(t)
        torch.testing.assert_close(value, torch.full_like(value, -1 / alpha))
        first = slope(value, t)
        assert (first == 0).all()
        assert (slope(first, t) == 0).all()


@pytest.mark.parametrize("method", ["activation", "conjugate_of_activation", "optimal_score", "log_ratio",
                                    "derivative_at_exp", "conjugate_at_exp"])  # fmt: skip
@pytest.mark.parametrize(
    ("make", "values"),
    [
        (lambda x: Alpha(alpha=x), (-1.0, 0.5, 0.9, 1.5, 3.0)),
        (lambda x: WeightedJensenShannon(pi=x), (0.1, 0.5, 0.9)),
    ],
    ids=["alpha", "pi"],
)
def test_a_sweep_may_map_over_the_parameter(make: object, values: tuple[float, ...], method: str) -> None:
    assert callable(make)
    v = torch.linspace(-2, 4, 7, dtype=torch.float64)

    def run(x: Tensor, v: Tensor) -> Tensor:
        found = getattr(make(x), method)(v)
        assert isinstance(found, Tensor)
        return found

    swept = torch.vmap(run, (0, None))(double(*values), v)
    alone = torch.stack([getattr(make(x), method)(v) for x in values])
    torch.testing.assert_close(swept, alone)
    v = v[alone.isfinite().all(0)]
    for which in (0, 1):  # with respect to the parameter, and to the score
        slopes = torch.vmap(torch.func.grad(lambda x, v: run(x, v).sum(), which), (0, None))(
            double(*values), v
        )
        assert slopes.isfinite().all()


@pytest.mark.parametrize("alpha", [0, 1, 0.0, 1.0, math.nan, math.inf])
def test_alpha_refuses_what_has_no_meaning(alpha: float) -> None:
    hint = {0.0: "fgan_rkl", 1.0: "fgan_kl"}.get(alpha, "finite")
    with pytest.raises(ValueError, match=f"alpha must be .*{hint}"):
        Alpha(alpha=alpha)


@pytest.mark.parametrize("pi", [0, 1, -0.1, 1.1, math.nan])
def test_weighted_js_refuses_a_weight_outside(pi: float) -> None:
    with pytest.raises(ValueError, match="pi must be strictly between 0 and 1, got"):
        WeightedJensenShannon(pi=pi)


def test_total_variation_score_tells_the_side_only() -> None:
    assert TotalVariation().log_ratio(double(0.3)) is None
    assert TotalVariation().optimal_score(double(-2.0, 0.0, 2.0)).tolist() == [-math.inf, 0.0, math.inf]


class Halved(Divergence):
    """The least that a divergence from outside must write: ½(u-1)², f* over all real u."""

    def f(self, u: Tensor) -> Tensor:
        return (u - 1) ** 2 / 2

    def derivative(self, u: Tensor) -> Tensor:
        return u - 1

    def conjugate(self, t: Tensor) -> Tensor:
        return t**2 / 2 + t


def test_defaults_of_a_new_divergence() -> None:
    v = torch.linspace(-2, 2, 9, dtype=torch.float64)
    twin = Alpha(alpha=2.0)
    torch.testing.assert_close(Halved().derivative_at_exp(v), twin.derivative_at_exp(v))
    torch.testing.assert_close(Halved().conjugate_at_exp(v), twin.conjugate_at_exp(v))
    torch.testing.assert_close(Halved().conjugate_of_activation(v), v**2 / 2 + v)
    assert Halved().domain == (-math.inf, math.inf)
    assert Halved().log_ratio(v) is None
    assert Halved().optimal_score(v) is None
