"""The generator's gradient against a critic trained alone: by hand, by theory, and the study end to end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import softplus

from gan_cli.data.gaussian import Gaussian
from gan_cli.divergences.jensen_shannon import JensenShannon
from gan_cli.divergences.reverse_kl import ReverseKL
from gan_cli.errors import RunError
from gan_cli.game import Game, Prior, Side
from gan_cli.models.affine import Generator
from gan_cli.network import Network
from gan_cli.streams import Streams
from gan_cli.studies.gradients import critic_round, generator_gradient, gradient_size
from gan_cli.studies.optimum import Line, divergence_of
from gan_cli.studies.vanishing import Vanishing
from gan_cli.transforms.sgd import SGD
from gan_cli.types import Batch, GameState
from tests.games import CPU, Cloud, loss, small_game
from tests.studies.desks import desk, left


def test_only_the_critic_moves_and_as_in_a_round() -> None:
    game = small_game("gan", critic_steps=3)
    state, batches = game.init(0), game.draw(0, Cloud(), Streams(0, CPU))
    after, whole = critic_round(game, state, batches), game.play(state, batches)[0]
    for k, v in whole.critic.params.items():
        torch.testing.assert_close(after.critic.params[k], v, rtol=0, atol=0)
    assert after.generator is state.generator
    assert int(after.step) == 1


@pytest.mark.parametrize("name", ["gan", "gan_ns"])
def test_the_gradient_is_autograds(name: str) -> None:
    game = small_game("gan")
    state = game.init(3)
    several = [game.draw(i, Cloud(), Streams(1, CPU)).generator for i in range(4)]

    def by_hand(batch: Batch) -> Tensor:
        theta = {k: v.clone().requires_grad_() for k, v in state.generator.params.items()}
        fake = functional_call(game.generator.network.module, theta, (batch.latent,))
        score = functional_call(game.critic.network.module, state.critic.params, (fake,))
        value = -softplus(score).mean() if name == "gan" else softplus(-score).mean()
        return torch.cat([g.flatten() for g in torch.autograd.grad(value, list(theta.values()))])

    flat = torch.stack([by_hand(batch) for batch in several])
    with torch.no_grad():
        size, noise = gradient_size(game, state, several, loss(name))
    torch.testing.assert_close(size, flat.mean(0).norm())
    torch.testing.assert_close(noise, flat.var(0).sum().sqrt())


class Linear(nn.Module):
    """V(x) = wx + b."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, x: Tensor) -> Tensor:
        score: Tensor = self.layer(x)
        return score[:, 0]


@pytest.mark.parametrize("theta", [0.3, 2.0, 6.0])
def test_against_the_best_critic_the_gradient_is_the_divergences(theta: float) -> None:
    # P = N(0, 1), Q = N(θ, 1): the best critic ln p/q = θ²/2 − θx is a linear one.
    network = Network(lambda: Generator(1, (1,), None, mean=theta), torch.float64)
    game = Game(
        generator=Side(network, SGD()),
        critic=Side(Network(Linear, torch.float64), SGD()),
        loss=loss("gan"),
        prior=Prior(1),
        prepare=lambda x: x,
        batch_size=2,
        dtype=torch.float64,
    )
    start = game.init(0)
    params = dict(zip(start.critic.params, torch.tensor([-theta, theta**2 / 2]).double(), strict=True))
    params = {k: v.reshape(start.critic.params[k].shape) for k, v in params.items()}
    state = GameState(start.generator, start.critic._replace(params=params), start.step)
    # The normal law by the midpoints of 400,000 equally likely slices.
    slices = (torch.arange(400_000, dtype=torch.float64) + 0.5) / 400_000
    z = torch.special.ndtri(slices)[:, None]
    batch = Batch(torch.zeros_like(z), z, game.view.draw(torch.Generator(), z.shape, z.dtype), ())
    line = Line.of(Gaussian(mean=(0.0,)).load())

    def slope(divergence: JensenShannon | ReverseKL) -> float:
        low, high = (divergence_of(divergence, line, theta + h, 1.0) for h in (-1e-4, 1e-4))
        return (high - low) / 2e-4

    jsd = slope(JensenShannon())  # of 2·JSD, which the minimax generator descends
    with torch.no_grad():
        found = {n: generator_gradient(replace(game, loss=loss(n)), state, batch) for n in ("gan", "gan_ns")}
    got = {n: float(gradient["mean"]) for n, gradient in found.items()}
    assert got["gan"] == pytest.approx(jsd, rel=1e-3, abs=1e-9)
    assert got["gan_ns"] == pytest.approx(slope(ReverseKL()) - jsd, rel=1e-3)
    assert slope(ReverseKL()) == pytest.approx(theta, rel=1e-5)  # KL(Q‖P) = θ²/2


SMALL = [
    "loss=gan_ns",
    "data=digits",
    "data.size=8",
    "model=mlp",
    "model.width=8",
    "model.generator.activation=tanh",
    "model.critic.activation=tanh",
    "model.latent=2",
    "batch_size=4",
]


def test_the_study_leaves_its_table_and_figure(tmp_path: Path) -> None:
    study = Vanishing(trained=(0, 2), updates=4, points=3, batches=2, seeds=2)
    study.run(desk(tmp_path, *SMALL))
    assert left(tmp_path) == {"table.md", "results.json", "vanishing_gradients.png"}
    found = json.loads((tmp_path / "results.json").read_text())
    assert set(found) >= {"minimax", "non-saturating", "minimax, noise 1", "WGAN, weight clipping"}
    plain = found["minimax"]["2"]
    assert plain["updates"] == [0, 1, 4]
    assert len(plain["norm"]) == len(plain["noise"]) == 3
    assert all(len(moment) == 2 and min(moment) > 0 for moment in plain["norm"])
    # Fresh critics say nothing yet: both losses have nearly the gradient ±½∇V.
    assert found["minimax"]["0"]["norm"][0] == pytest.approx(found["non-saturating"]["0"]["norm"][0], rel=0.5)


def test_what_the_study_refuses(tmp_path: Path) -> None:
    cases: list[dict[str, Any]] = [
        {"updates": 0},
        {"points": 1},
        {"trained": (3, 2)},
        {"trained": ()},
        {"noise": 0.0},
        {"clip": -1.0},
    ]
    for bad in cases:
        with pytest.raises(ValueError, match="must be"):
            Vanishing(**bad)
    with pytest.raises(RunError, match="stopped"):
        Vanishing(trained=(1,), updates=1, seeds=1).run(desk(tmp_path, *SMALL, stop=lambda: True))
