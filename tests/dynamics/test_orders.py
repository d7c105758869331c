"""The orders of moves against loops by modules and torch.optim, and on a game that rotates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gan_cli.calculus import Calculus, eager, functional
from gan_cli.dynamics import Alternating, Extragradient, Order, Simultaneous
from gan_cli.game import Game
from gan_cli.streams import Streams
from gan_cli.terms.historical_averaging import HistoricalAveraging, historical_averaging
from gan_cli.terms.r1 import R1
from gan_cli.types import Batch, GameRound, GameState
from tests.dynamics.replay import OPTIMISERS, MakeOptimiser, critic_loss, history_of, module_of
from tests.games import CPU, Cloud, small_game
from tests.laws.bilinear import bilinear, distance


class Loop:
    """Both players as modules with torch's optimisers; a statistic is fed by the owner's moves alone."""

    def __init__(self, game: Game, state: GameState, make: MakeOptimiser):
        self.game, self.step = game, 0
        self.g, self.d = module_of(game.generator, state.generator), module_of(game.critic, state.critic)
        self.past_g = history_of(game.generator, state.generator, self.g)
        self.past_d = history_of(game.critic, state.critic, self.d)
        self.optimisers = {player: make(player.parameters()) for player in (self.g, self.d)}

    def critic_gradient(self, batch: Batch) -> list[Tensor]:
        with keeping(self.g), torch.no_grad():
            fake = self.g(batch.latent)
        loss = critic_loss(self.game, self.d, self.past_d, batch.real.double(), fake, self.step)
        return list(torch.autograd.grad(loss, list(self.d.parameters())))

    def generator_gradient(self, batch: Batch) -> list[Tensor]:
        with keeping(self.d):
            loss = self.game.loss.generator(torch.zeros(0), self.d(self.g(batch.latent))).mean()
            for term in self.game.generator.terms:
                assert isinstance(term, HistoricalAveraging)
                loss = loss + term.weight * self.past_g.distance()
            return list(torch.autograd.grad(loss, list(self.g.parameters())))

    def move(self, player: nn.Module, gradient: list[Tensor]) -> None:
        for p, g in zip(player.parameters(), gradient, strict=True):
            p.grad = g
        self.optimisers[player].step()

    def both(self, batches: GameRound) -> None:
        """One simultaneous move, both gradients taken before it."""
        of_d = self.critic_gradient(batches.critic[-1])
        of_g = self.generator_gradient(batches.generator)
        self.move(self.d, of_d)
        self.move(self.g, of_g)

    def simultaneous(self, batches: GameRound) -> None:
        self.both(batches)

    def extragradient(self, batches: GameRound) -> None:
        """Look one move ahead, come back, and move by the gradients from there (Gidel et al. 2019)."""
        start = [p.detach().clone() for player in (self.g, self.d) for p in player.parameters()]
        with keeping(self.g), keeping(self.d):
            self.both(batches)
        of_d = self.critic_gradient(batches.critic[-1])
        of_g = self.generator_gradient(batches.generator)
        with torch.no_grad():
            for p, before in zip([*self.g.parameters(), *self.d.parameters()], start, strict=True):
                p.copy_(before)
        self.move(self.d, of_d)
        self.move(self.g, of_g)

    def round(self, batches: GameRound, last: Callable[[GameRound], None]) -> None:
        for batch in batches.critic[:-1]:
            self.move(self.d, self.critic_gradient(batch))
            self.past_d.add()
        last(batches)
        self.past_d.add()
        self.past_g.add()
        self.step += 1


@contextmanager
def keeping(module: nn.Module) -> Iterator[None]:
    """Give the module its buffers back at the end of the block."""
    buffers = {k: b.clone() for k, b in module.named_buffers()}
    yield
    with torch.no_grad():
        for k, b in module.named_buffers():
            b.copy_(buffers[k])


INGREDIENTS: dict[str, dict[str, Any]] = {
    "batchnorm-history": {"normed": True, "terms": historical_averaging(0.3, 0.8)},
    "r1": {"terms": [R1(0.7, every=2)]},
}


@pytest.mark.parametrize("calculus", [eager, functional])
@pytest.mark.parametrize("ingredients", INGREDIENTS)
@pytest.mark.parametrize("critic_steps", [1, 2])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("order", [Simultaneous(), Extragradient()])
def test_equals_a_loop_by_hand(
    order: Order, optimiser: str, critic_steps: int, ingredients: str, calculus: Calculus
) -> None:
    """With Adam the extragradient is ExtraAdam."""
    ours, theirs = OPTIMISERS[optimiser]
    transforms: dict[str, Any] = {"critic_transform": ours, "generator_transform": ours}
    options = transforms | INGREDIENTS[ingredients]
    game = replace(small_game(critic_steps=critic_steps, calculus=calculus, **options), order=order)
    state, streams, feed = game.init(3), Streams(3, CPU), Cloud()
    loop = Loop(game, state, theirs)
    last = loop.simultaneous if isinstance(order, Simultaneous) else loop.extragradient
    for step in range(8):
        batches = game.draw(step, feed, streams)
        state, _ = game.play(state, batches)
        loop.round(batches, last)
    for player, module in ((state.generator, loop.g), (state.critic, loop.d)):
        for name, value in module.state_dict().items():
            torch.testing.assert_close((player.params | player.buffers)[name], value, rtol=1e-7, atol=1e-9)
    for term, memory in zip(game.critic.terms, state.critic.terms, strict=True):
        if isinstance(term, HistoricalAveraging):
            assert memory.size == loop.past_d.size == 1 + 8 * critic_steps
            for name, total in loop.past_d.sums.items():
                torch.testing.assert_close(memory.mean[name], total / loop.past_d.size)


def test_a_simultaneous_generator_ignores_the_critics_last_move() -> None:
    """The alternating one does not: the orders differ."""
    plain, streams = small_game(), Streams(0, CPU)
    state, batches = plain.init(0), plain.draw(0, Cloud(), streams)
    ends = [replace(plain, order=order).play(state, batches)[0] for order in (Alternating(), Simultaneous())]
    (one, other) = (end.generator.params["body.0.weight"] for end in ends)
    assert (one - other).abs().max() > 1e-5
    for name, p in ends[0].critic.params.items():
        assert torch.equal(p, ends[1].critic.params[name])


# --- the game −xy -----------------------------------------------------------------------------------------


def rounds_matrix(order: Order, eta: float, critic_steps: int) -> np.ndarray[Any, Any]:
    """(x, y) after a round is this times (x, y): x ← x + ηy, y ← y − ηx, in the order's way."""
    field = eta * np.array([[0.0, 1.0], [-1.0, 0.0]])
    critic = np.eye(2) + np.diag([0.0, 1.0]) @ field
    generator = np.eye(2) + np.diag([1.0, 0.0]) @ field
    ahead = np.eye(2) + field
    last = {
        Alternating: generator @ critic,
        Simultaneous: ahead,
        Extragradient: np.eye(2) + field @ ahead,
    }[type(order)]
    whole: np.ndarray[Any, Any] = last @ np.linalg.matrix_power(critic, critic_steps - 1)
    return whole


@pytest.mark.parametrize("critic_steps", [1, 2])
@pytest.mark.parametrize("order", [Alternating(), Simultaneous(), Extragradient()])
def test_a_round_of_the_rotating_game_is_its_matrix(order: Order, critic_steps: int) -> None:
    eta, rounds = 0.2, 60
    state = bilinear(order, rate=eta, rounds=rounds, critic_steps=critic_steps)
    x, y = np.linalg.matrix_power(rounds_matrix(order, eta, critic_steps), rounds) @ [1.0, 1.0]
    assert state.generator.params["x"].item() == pytest.approx(x, rel=1e-9)
    assert state.critic.params["y"].item() == pytest.approx(y, rel=1e-9)


@pytest.mark.parametrize("critic_steps", [1, 2])
def test_the_extragradient_converges_where_the_others_do_not(critic_steps: int) -> None:
    ends = {
        type(order): distance(bilinear(order, rounds=300, critic_steps=critic_steps))
        for order in (Alternating(), Simultaneous(), Extragradient())
    }
    assert ends[Extragradient] < 0.01 * math.sqrt(2)
    assert ends[Alternating] > 0.5
    assert ends[Simultaneous] > (50 if critic_steps == 1 else 0.5)
