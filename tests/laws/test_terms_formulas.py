"""Each term's formula, where the answer is known in closed form or from numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gan_cli.calculus import eager, functional, sqrt
from gan_cli.dynamics import Simultaneous
from gan_cli.errors import InputError
from gan_cli.legality import check
from gan_cli.network import Network
from gan_cli.terms.consensus import Consensus, consensus
from gan_cli.terms.dragan import DRAGAN
from gan_cli.terms.ema import EMA
from gan_cli.terms.feature_matching import FeatureMatching
from gan_cli.terms.historical_averaging import historical_averaging
from gan_cli.terms.lecam import LeCam
from gan_cli.terms.r2 import R2
from gan_cli.terms.wgan_gp import WGANGP
from gan_cli.transforms.sgd import SGD
from gan_cli.types import Batch, GameRound, GameState, Player
from tests.games import scene_of, small_game

DOUBLE = torch.float64
W, C = torch.tensor([1.0, -2.0], dtype=DOUBLE), 0.7
calculi = pytest.mark.parametrize("calculus", [eager, functional], ids=["eager", "functional"])


def bowl(x: Tensor) -> Tensor:
    """V(x) = w·x + c|x|²/2, with ∇V = w + cx."""
    return x @ W + C * x.square().sum(1) / 2


def linear(w: Tensor) -> Callable[[Tensor], Tensor]:
    """V(x) = w·x."""
    return lambda x: x @ w


def clouds(n: int = 16) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(n, 2, generator=g, dtype=DOUBLE) for _ in range(2))
    return real, 2 * fake - 1


def slopes(x: Tensor) -> Any:
    """|∇V| of the bowl by numpy, [B]."""
    return np.linalg.norm(W.numpy() + C * x.numpy(), axis=1)


@calculi
def test_r2_of_a_known_critic(calculus: Any) -> None:
    real, fake = clouds()
    value = R2(3.0).value(scene_of(bowl, real, fake, calculus=calculus), (), ())
    assert value.item() == pytest.approx(1.5 * np.mean(slopes(fake) ** 2), rel=1e-12)


@calculi
@pytest.mark.parametrize("one_sided", [False, True])
def test_wgan_gp_of_a_known_critic(one_sided: bool, calculus: Any) -> None:
    real, fake = clouds()
    term = WGANGP(10.0, one_sided)
    mixing = term.draw(torch.Generator().manual_seed(1), real.shape, DOUBLE)
    value = term.value(scene_of(bowl, real, fake, calculus=calculus), (), mixing)
    excess = slopes(mixing * real + (1 - mixing) * fake) - 1
    assert (excess < 0).any()
    expected = 10 * np.mean((np.maximum(excess, 0) if one_sided else excess) ** 2)
    assert value.item() == pytest.approx(expected, rel=1e-12)


def test_the_mixing_weights_are_uniform_one_an_example() -> None:
    mixing = WGANGP().draw(torch.Generator().manual_seed(0), torch.Size([4000, 3, 2, 2]), DOUBLE)
    assert mixing.shape == (4000, 1, 1, 1)
    quantiles = mixing.flatten().quantile(torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0], dtype=DOUBLE))
    torch.testing.assert_close(quantiles, torch.linspace(0, 1, 5, dtype=DOUBLE), atol=0.03, rtol=0)


@calculi
def test_dragan_of_a_known_critic(calculus: Any) -> None:
    real, fake = clouds()
    term = DRAGAN(10.0, width=0.5)
    noise = term.draw(torch.Generator().manual_seed(1), real.shape, DOUBLE)
    value = term.value(scene_of(bowl, real, fake, calculus=calculus), (), noise)
    near = real + 0.5 * float(np.std(real.numpy())) * noise
    assert value.item() == pytest.approx(10 * np.mean((slopes(near) - 1) ** 2), rel=1e-12)


def test_the_noise_of_dragan_is_a_product_of_uniforms() -> None:
    """αu has mean 1/4; two coordinates of an example share α: covariance 1/3·1/4 − 1/16 = 1/48."""
    noise = DRAGAN().draw(torch.Generator().manual_seed(0), torch.Size([100_000, 2]), DOUBLE).numpy()
    assert noise.min() >= 0
    assert noise.max() < 1
    assert noise.mean() == pytest.approx(1 / 4, abs=3e-3)
    assert np.cov(noise.T)[0, 1] == pytest.approx(1 / 48, abs=1e-3)
    assert np.cov(noise.T)[0, 0] == pytest.approx(1 / 9 - 1 / 16, abs=1e-3)


@calculi
@pytest.mark.parametrize("term", [WGANGP(2.0), WGANGP(2.0, one_sided=True), DRAGAN(2.0)])
def test_a_linear_critic_has_one_slope(term: WGANGP | DRAGAN, calculus: Any) -> None:
    real, fake = clouds()
    noise = term.draw(torch.Generator(), real.shape, DOUBLE)
    for size in (0.4, 1.0, 3.0):
        w = size * torch.tensor([0.6, 0.8], dtype=DOUBLE)
        value = term.value(scene_of(linear(w), real, fake, calculus=calculus), (), noise)
        free = isinstance(term, WGANGP) and term.one_sided and size < 1
        assert value.item() == pytest.approx(0.0 if free else 2 * (size - 1) ** 2, abs=1e-14)


def test_the_norm_of_a_slope_has_derivative_zero_at_zero() -> None:
    assert torch.func.grad(lambda x: sqrt(x.square()))(torch.tensor(0.0)) == 0
    assert torch.func.grad(sqrt)(torch.tensor(4.0)) == 0.25


@pytest.mark.parametrize("layer", [-1, 0, 1, -2])
@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_feature_matching_against_numpy(norm: Any, layer: int) -> None:
    game = small_game()
    critic = game.init(0).critic
    p = {k: v.numpy() for k, v in critic.params.items()}
    real, fake = clouds()

    def features(x: Tensor) -> Any:
        if layer in (0, -2):
            return x.numpy()
        return np.logaddexp(0, x.numpy() @ p["body.0.weight"].T + p["body.0.bias"])

    gap = features(real).mean(0) - features(fake).mean(0)
    expected = 3 * ((gap**2).sum() if norm == "l2" else np.abs(gap).mean())
    network = game.critic.network
    scene = scene_of(
        lambda x: network(critic.params, {}, x)[0],
        real,
        fake,
        features=lambda x, layer: network.features(critic.params, {}, x, layer=layer),
    )
    value = FeatureMatching(3.0, layer=layer, norm=norm).value(scene, (), ())
    assert value.item() == pytest.approx(expected, rel=1e-12)


def test_a_layer_that_the_critic_has_not_is_refused() -> None:
    for layer in (-2, 1):
        check(small_game(terms=[FeatureMatching(layer=layer)]))
    for layer in (-3, 2):
        with pytest.raises(InputError, match=rf"layer={layer}: this critic has 2 such layers; use -2 to 1"):
            check(small_game(terms=[FeatureMatching(layer=layer)]))


def test_consensus_needs_the_losses_that_it_smooths() -> None:
    game = small_game(terms=[*consensus(), FeatureMatching(alone=True)])
    check(game)
    alone = replace(game, generator=replace(game.generator, plays_for_loss=False))
    with pytest.raises(InputError, match="use trick.feature_matching.alone=false"):
        check(alone)


class Point(nn.Module):
    """G(z) = θ for every z."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(1))

    def forward(self, z: Tensor) -> Tensor:
        return self.theta.expand(len(z), 1)


class Slope(nn.Module):
    """V(x) = ψx + cx²/2."""

    def __init__(self) -> None:
        super().__init__()
        self.psi = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return (self.psi * x + C * x.square() / 2).squeeze(1)


@calculi
def test_consensus_follows_the_field_of_a_quadratic_game(calculus: Any) -> None:
    """v = (−ψ − cθ, θ − x̄) has the Jacobian J = ((−c, −1), (1, 0)): both players descend v + γJᵀv."""
    game = small_game("wgan", terms=consensus(0.3), calculus=calculus)
    rate = SGD(lr=1.0)
    game = replace(
        game,
        generator=replace(game.generator, network=Network(Point, DOUBLE), transform=rate),
        critic=replace(game.critic, network=Network(Slope, DOUBLE), transform=rate),
        order=Simultaneous(),
    )
    start = game.init(0)
    theta, psi = torch.tensor([1.5], dtype=DOUBLE), torch.tensor([-0.4], dtype=DOUBLE)
    state = GameState(_at(start.generator, theta=theta), _at(start.critic, psi=psi), start.step)
    real = torch.tensor([[1.0], [-0.2], [0.7]], dtype=DOUBLE)
    batch = Batch(real, torch.zeros(3, 3, dtype=DOUBLE), critic_terms=((),), generator_terms=((),))
    after, traces = game.play(state, GameRound((batch,), batch))
    v = np.array([-psi.item() - C * theta.item(), theta.item() - real.mean().item()])
    jacobian = np.array([[-C, -1.0], [1.0, 0.0]])
    step = v + 0.3 * jacobian.T @ v
    moved = [theta - after.generator.params["theta"], psi - after.critic.params["psi"]]
    np.testing.assert_allclose(torch.cat(moved).numpy(), step, rtol=1e-12)
    for trace in traces.values():
        assert trace.parts["consensus"].item() == pytest.approx(0.3 * 0.5 * (v @ v), rel=1e-12)


def _at(player: Player, **params: Tensor) -> Player:
    return player._replace(params=params)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: WGANGP(-1.0), "weight must be at least 0, got -1.0"),
        (lambda: DRAGAN(width=-1.0), "width must be at least 0, got -1.0"),
        (lambda: R2(-1.0), "gamma must be at least 0, got -1.0"),
        (lambda: LeCam(decay=1.0), "decay must be at least 0 and below 1, got 1.0"),
        (lambda: Consensus("critic", -1.0), "weight must be at least 0, got -1.0"),
        (lambda: historical_averaging(critic=-1.0), "critic must be at least 0, got -1.0"),
        (lambda: FeatureMatching(norm="l3"), "norm must be one of l1, l2, got 'l3'"),  # type: ignore[arg-type]
        (lambda: FeatureMatching(every=2), "every must be 1 where alone is true, got 2"),
        (lambda: EMA(8, decay=0.9), "decay must be null unless half_life_images is, got 0.9"),
        (
            lambda: EMA(8, half_life_images=None),
            "half_life_images must be given where decay is null, got null",
        ),
        (lambda: EMA(8, half_life_images=0.0), "half_life_images must be above 0, got 0.0"),
        (lambda: EMA(8, warm_up=0.0), "warm_up must be above 0, got 0.0"),
        (lambda: EMA(0), "batch_size must be at least 1, got 0"),
    ],
)
def test_values_out_of_range_are_refused(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(ValueError, match="must be") as refused:
        make()
    assert str(refused.value) == said
