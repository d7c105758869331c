"""Losses that are each other, a multiple of each other, or what a theorem says of them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gan_cli.losses.base import Loss
from gan_cli.losses.fgan import FGAN
from gan_cli.losses.gan import Minimax
from gan_cli.losses.gan_ns import NonSaturating
from gan_cli.losses.hinge import Hinge
from gan_cli.losses.lsgan import LSGAN
from gan_cli.losses.rpgan import RpGAN
from gan_cli.losses.wgan import WGAN
from tests.laws.cases import (
    FAKE,
    REAL,
    best,
    cases,
    double,
    load,
    optimal,
    players,
)
from tests.laws.integrals import (
    PAIRS,
    Gaussians,
    pairs,
)


@pytest.mark.parametrize(("generator", "twin"), [("variational", "gan"), ("heuristic", "gan_ns")])
@pytest.mark.parametrize("activation", ["paper", "log_ratio"])
def test_fgan_gan_is_the_original_game(generator: str, twin: str, activation: str) -> None:
    ours, other = load("fgan_gan", generator=generator, activation=activation), load(twin)
    real, fake = (
        torch.randn(64, dtype=torch.float64, generator=torch.Generator().manual_seed(i)) for i in (1, 2)
    )
    for one, two in zip(players(ours), players(other), strict=True):
        torch.testing.assert_close(one(real, fake), two(real, fake))
    assert ours.divergence_name == other.divergence_name
    found, wanted = ours.measure(real, fake), other.measure(real, fake)
    assert set(found) == set(wanted)
    for name in found:
        torch.testing.assert_close(found[name], wanted[name])


@pytest.mark.parametrize("activation", ["paper", "log_ratio"])
def test_js_is_the_gan_row_and_ln_4(activation: str) -> None:
    js, gan = load("fgan_js", activation=activation), load("fgan_gan", activation=activation)
    assert (js.bound(REAL, FAKE) - gan.bound(REAL, FAKE)).item() == pytest.approx(math.log(4))
    for one, two in zip(players(js), players(gan), strict=True):
        shift = one(REAL, FAKE) - two(REAL, FAKE)
        torch.testing.assert_close(shift, shift[:1].expand(4))


@pytest.mark.parametrize(
    ("name", "options", "twin", "factor"),
    [
        ("fgan_wjs", {"divergence__pi": 0.5}, "fgan_js", 0.5),
        ("fgan_alpha", {"divergence__alpha": 2.0}, "fgan_pearson", 0.5),
        ("fgan_alpha", {"divergence__alpha": 0.5}, "fgan_hellinger", 2.0),
        ("fgan_alpha", {"divergence__alpha": -1.0}, "fgan_neyman", 0.5),
    ],
)
@pytest.mark.parametrize("generator", ["variational", "heuristic"])
def test_multiples(name: str, options: dict[str, float], twin: str, factor: float, generator: str) -> None:
    """Where V is ln p/q in both, these losses are multiples of each other."""
    ours = load(name, generator=generator, activation="log_ratio", **options)
    other = load(twin, generator=generator, activation="log_ratio")
    for one, two in zip(players(ours), players(other), strict=True):
        torch.testing.assert_close(one(REAL, FAKE), factor * two(REAL, FAKE))
    torch.testing.assert_close(ours.bound(REAL, FAKE), factor * other.bound(REAL, FAKE))


@pairs
def test_gradient_of_the_heuristic_is_the_variational_one_over_the_ratio(pair: Gaussians) -> None:
    """d f*(T)/dV = (p/q) dT/dV: so either objective has its fixed point where the other has."""
    rho = pair.log_ratio(torch.linspace(-3, 3, 25, dtype=torch.float64))
    for _, loss in cases():
        if isinstance(loss, FGAN) and loss.log_ratio(rho) is not None:
            v = best(loss)(rho)
            variational = FGAN(loss.divergence, "variational", loss.activation).on_generated
            heuristic = FGAN(loss.divergence, "heuristic", loss.activation).on_generated
            slopes = [torch.vmap(torch.func.grad(each))(v) for each in (variational, heuristic)]
            torch.testing.assert_close(slopes[0], rho.exp() * slopes[1], rtol=1e-8, atol=0)


def test_non_saturating_gradient_is_that_of_reverse_kl_minus_twice_jsd() -> None:
    """Arjovsky and Bottou's theorem 2.5, for a shift of Q and a critic held at its best."""
    x, p_weighted, _ = PAIRS[0].nodes()
    weight = p_weighted / PAIRS[0].log_p(x).exp()

    def at(shift: Tensor) -> tuple[Tensor, Tensor]:
        z = (x - shift - 0.6) / 1.1
        return -(z**2) / 2 - math.log(1.1 * math.sqrt(2 * math.pi)), PAIRS[0].log_p(x)

    def theory(shift: Tensor) -> Tensor:
        log_q, log_p = at(shift)
        log_m = torch.logaddexp(log_p, log_q) - math.log(2)
        q, p = log_q.exp(), log_p.exp()
        return (weight * (q * (log_q - log_p) - p * (log_p - log_m) - q * (log_q - log_m))).sum()

    def game(shift: Tensor) -> Tensor:
        log_q, log_p = at(shift)
        held = (log_p - log_q).detach()
        return (weight * log_q.exp() * NonSaturating().on_generated(held)).sum()

    zero = double(0.0).squeeze()
    torch.testing.assert_close(torch.func.grad(game)(zero), torch.func.grad(theory)(zero), rtol=1e-8, atol=0)


def test_relativistic_bound_is_at_most_zero_where_nothing_differs() -> None:
    x, p, _ = Gaussians(0.3, 1.0, 0.3, 1.0).nodes()
    for v in (x, x**2, x.sin()):
        pairs_of_scores = [each.reshape(-1, 1) for each in torch.meshgrid(v, v, indexing="ij")]
        each = torch.vmap(RpGAN().bound)(*pairs_of_scores).view(len(v), len(v))
        assert (p @ each @ p) <= 1e-12


def softplus(v: float) -> float:
    return math.log(1 + math.exp(v))


@pytest.mark.parametrize(
    ("loss", "critic", "generator"),
    [
        (Minimax(), softplus(-0.5) + softplus(-0.25), -softplus(-0.25)),
        (NonSaturating(), softplus(-0.5) + softplus(-0.25), softplus(0.25)),
        (WGAN(), -0.75, 0.25),
        (LSGAN(), 0.125 + 0.03125, 0.78125),
        (LSGAN(a=-1.0, b=1.0, c=0.0), 0.125 + 0.28125, 0.03125),
        (Hinge(), 0.5 + 0.75, 0.25),
        (RpGAN(), softplus(-0.75), softplus(0.75)),
    ],
)
def test_values_by_hand(loss: Loss, critic: float, generator: float) -> None:
    real, fake = double(0.5), double(-0.25)
    assert loss.critic(real, fake).item() == pytest.approx(critic)
    assert loss.generator(real, fake).item() == pytest.approx(generator)


@optimal
def test_generator_gains_where_the_data_are_denser(loss: Loss) -> None:
    """Against the best critic an example pays more wherever p < q than where p = q."""
    rho = torch.linspace(-4, -0.1, 14, dtype=torch.float64)
    even = best(loss)(torch.zeros_like(rho))
    assert (loss.generator(even, best(loss)(rho)) > loss.generator(even, even)).all()
