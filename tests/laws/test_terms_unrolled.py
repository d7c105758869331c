"""Unrolling through moves that terms take part in, against finite differences of a replay by modules."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from gan_cli.calculus import eager, functional
from gan_cli.game import Game
from gan_cli.streams import Streams
from gan_cli.terms.base import Term
from gan_cli.terms.dragan import DRAGAN
from gan_cli.terms.feature_matching import FeatureMatching
from gan_cli.terms.historical_averaging import historical_averaging
from gan_cli.terms.lecam import LeCam
from gan_cli.terms.r1 import R1
from gan_cli.terms.r2 import R2
from gan_cli.terms.wgan_gp import WGANGP
from gan_cli.transforms.adam import Adam
from gan_cli.transforms.sgd import SGD
from gan_cli.types import GameRound, GameState, Params
from tests.games import CPU, Cloud, small_game

OPTIMISERS: dict[str, tuple[Any, Any]] = {
    "sgd": (SGD(lr=0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    "adam": (Adam(lr=0.05, eps=1e-3), lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.5, 0.999), eps=1e-3)),
}


def slope(critic: nn.Module, x: Tensor) -> Tensor:
    """‖∇V(x)‖², [B]."""
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return (gradient**2).sum(1)


class Replayed:
    """One critic's term in plain torch: its value before a move, and what it remembers after."""

    def __init__(self, critic: nn.Module, real: Tensor, fake: Tensor, noise: Any, memory: Any):
        self.critic, self.real, self.fake, self.noise, self.memory = critic, real, fake, noise, memory

    def value(self) -> Tensor:
        raise NotImplementedError

    def remember(self) -> None:
        """After the optimiser's step."""


class ReplayedR1(Replayed):
    def value(self) -> Tensor:
        return 0.35 * slope(self.critic, self.real).mean()


class ReplayedR2(Replayed):
    def value(self) -> Tensor:
        return 0.35 * slope(self.critic, self.fake).mean()


class ReplayedWGANGP(Replayed):
    def value(self) -> Tensor:
        mixed = self.fake + self.noise * (self.real - self.fake)
        return 2 * ((slope(self.critic, mixed).sqrt() - 1) ** 2).mean()


class ReplayedDRAGAN(Replayed):
    def value(self) -> Tensor:
        spread = (self.real - self.real.mean()).pow(2).mean().sqrt()
        return 2 * ((slope(self.critic, self.real + 0.5 * spread * self.noise).sqrt() - 1) ** 2).mean()


class ReplayedLeCam(Replayed):
    """Keeps biased sums and corrects them when it is asked."""

    def value(self) -> Tensor:
        self.real_score, self.fake_score = self.critic(self.real), self.critic(self.fake)
        if not isinstance(self.memory, dict):
            real, fake, moves = self.memory
            weight = 1 - 0.6 ** moves.item()
            self.memory = {"real": real * weight, "fake": fake * weight, "moves": moves.item()}
        past = {k: self.memory[k] / (1 - 0.6 ** self.memory["moves"]) for k in ("real", "fake")}
        gaps = self.real_score - past["fake"], self.fake_score - past["real"]
        return 0.7 * torch.stack([gap.pow(2).mean() for gap in gaps]).sum()

    def remember(self) -> None:
        for k, score in (("real", self.real_score), ("fake", self.fake_score)):
            self.memory[k] = 0.6 * self.memory[k] + 0.4 * score.detach().mean()
        self.memory["moves"] += 1


class ReplayedHistory(Replayed):
    """Keeps the sum of the past and divides when it is asked."""

    def value(self) -> Tensor:
        if not isinstance(self.memory, list):
            size = self.memory.size.item()
            self.memory = [size, {k: size * m for k, m in self.memory.mean.items()}]
        size, sums = self.memory
        named = dict(self.critic.named_parameters())
        return 0.8 * torch.stack([(p - sums[k] / size).pow(2).sum() for k, p in named.items()]).sum()

    def remember(self) -> None:
        size, sums = self.memory
        self.memory = [size + 1, {k: sums[k] + p.detach() for k, p in self.critic.named_parameters()}]


CASES: dict[str, tuple[tuple[Term, ...], type[Replayed]]] = {
    "r1": ((R1(0.7),), ReplayedR1),
    "r2": ((R2(0.7),), ReplayedR2),
    "wgan_gp": ((WGANGP(2.0),), ReplayedWGANGP),
    "dragan": ((DRAGAN(2.0),), ReplayedDRAGAN),
    "lecam": ((LeCam(0.7, decay=0.6),), ReplayedLeCam),
    "historical_averaging": (historical_averaging(generator=0.0, critic=0.8), ReplayedHistory),
}


def matched(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """The squared distance of the mean features before the last layer."""
    body: Any = critic.body
    gap: Tensor = body[:-1](real).mean(0) - body[:-1](fake).mean(0)
    return (gap**2).sum()


def play_on(game: Game) -> tuple[GameState, GameRound]:
    """A state whose optimisers and terms remember something, and the next round's batches."""
    streams, feed = Streams(1, CPU), Cloud()
    state = game.init(1)
    for step in range(3):
        state, _ = game.play(state, game.draw(step, feed, streams))
    return state, game.draw(3, feed, streams)


def replayed_loss(
    game: Game,
    after: GameState,
    batches: GameRound,
    theta: Params,
    optimiser: Any,
    term: Callable[..., Replayed],
) -> Tensor:
    """The generator's loss against the critic that has moved on from where it stands `after` its own move."""
    generator = copy.deepcopy(game.generator.network.module)
    generator.load_state_dict({k: v.clone() for k, v in theta.items()})
    critic = copy.deepcopy(game.critic.network.module)
    critic.load_state_dict({k: v.clone() for k, v in after.critic.params.items()})
    steps = optimiser(critic.parameters())
    _load_memory(steps, critic, after)
    batch = batches.generator
    with torch.enable_grad():
        fake, real = generator(batch.latent).detach(), batch.real.double()
        mine = term(critic, real, fake, batch.critic_terms[0], after.critic.terms[0])
        for _ in range(game.unroll):
            steps.zero_grad()
            (game.loss.critic(critic(real), critic(fake)).mean() + mine.value()).backward()
            steps.step()
            mine.remember()
        loss = 1.5 * matched(critic, real, fake) if game.generator.terms else torch.zeros(())
        if game.generator.plays_for_loss:
            loss = loss + game.loss.generator(torch.zeros(0), critic(fake)).mean()
    return loss.detach()


def _load_memory(optimiser: torch.optim.Optimizer, critic: nn.Module, after: GameState) -> None:
    memory: Any = after.critic.memory
    for name, p in critic.named_parameters():
        if isinstance(optimiser, torch.optim.Adam):
            optimiser.state[p] = {
                "step": memory.updates.to(torch.float32),
                "exp_avg": memory.mean[name].clone(),
                "exp_avg_sq": memory.square[name].clone(),
            }


def assert_is_the_derivative(game: Game, optimiser: Any, term: type[Replayed]) -> None:
    state, batches = play_on(game)
    after, _ = game.play(state, batches)  # by the generator's SGD of rate 1: the difference is its gradient
    torch.manual_seed(0)
    direction = {k: torch.randn_like(p) for k, p in state.generator.params.items()}

    def along(t: float) -> Tensor:
        theta = {k: p + t * direction[k] for k, p in state.generator.params.items()}
        return replayed_loss(game, after, batches, theta, optimiser, term)

    h = 1e-4  # central differences of fourth order
    numeric = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
    steps = {k: p - after.generator.params[k] for k, p in state.generator.params.items()}
    exact = torch.stack([(steps[k] * d).sum() for k, d in direction.items()]).sum()
    torch.testing.assert_close(exact, numeric, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("steps", "recompute"), [(1, False), (3, False), (3, True)])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_a_critics_term_in_the_inner_moves(optimiser: str, steps: int, recompute: bool, name: str) -> None:
    ours, theirs = OPTIMISERS[optimiser]
    terms, term = CASES[name]
    game = small_game(unroll=steps, critic_transform=ours, generator_transform=SGD(lr=1.0), terms=terms)
    assert_is_the_derivative(replace(game, recompute=recompute), theirs, term)


@pytest.mark.parametrize("name", CASES)
def test_both_calculi_look_ahead_alike(name: str) -> None:
    options: dict[str, Any] = {"unroll": 3, "critic_transform": Adam(lr=0.05), "terms": CASES[name][0]}
    ours, theirs = (play_on(small_game(calculus=c, **options))[0] for c in (eager, functional))
    for x, y in zip(tree_leaves(ours), tree_leaves(theirs), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_features_of_a_critic_that_moves_on(optimiser: str, alone: bool) -> None:
    ours, theirs = OPTIMISERS[optimiser]
    terms: list[Term] = [R2(0.7), FeatureMatching(1.5, alone=alone)]
    game = small_game(unroll=2, critic_transform=ours, generator_transform=SGD(lr=1.0), terms=terms)
    game = replace(game, generator=replace(game.generator, plays_for_loss=not alone))
    assert_is_the_derivative(game, theirs, ReplayedR2)


@pytest.mark.parametrize("calculus", [eager, functional])
def test_a_partial_derivative_holds_all_else_fixed(calculus: Any) -> None:
    """∂/∂y (yx) at y = x is x, not 2x, also where x is on the tape of another derivative."""

    def at_itself(p: Params) -> tuple[Tensor, tuple[()]]:
        by_params, _, _ = calculus.gradient(lambda q: ((q["x"] * p["x"]).sum(), ()), p)
        by_input = calculus.input_gradient(lambda y: y * p["x"], p["x"])
        return (by_params["x"] + 10 * by_input).sum(), ()

    gradient, value, _ = calculus.gradient(at_itself, {"x": torch.tensor([3.0])})
    assert (value, gradient["x"]) == (33.0, 11.0)
