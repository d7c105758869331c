"""Unrolling against finite differences of an independent implementation, and its unit."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from gan_cli.game import Game
from gan_cli.streams import Streams
from gan_cli.terms.r1 import R1
from gan_cli.transforms.adam import Adam
from gan_cli.transforms.sgd import SGD
from gan_cli.types import Params, Round, State
from tests.games import CPU, Cloud, small_game

OPTIMISERS: dict[str, tuple[Any, Any]] = {
    "sgd": (SGD(lr=0.3, momentum=0.5), lambda p: torch.optim.SGD(p, lr=0.3, momentum=0.5)),
    "adam": (Adam(lr=0.05, eps=1e-3), lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.5, 0.999), eps=1e-3)),
}


def warmed(game: Game, rounds: int = 3) -> tuple[State, Round]:
    """A state whose optimisers remember something, and the next round's batches."""
    streams, feed = Streams(1, CPU), Cloud()
    state = game.init(1)
    for step in range(rounds):
        state, _ = game.play(state, game.draw(step, feed, streams))
    return state, game.draw(rounds, feed, streams)


def generator_gradient(game: Game, state: State, batches: Round) -> tuple[Params, State]:
    """The gradient that a generator with SGD of rate 1 follows in this round, and the state after it."""
    after, _ = game.play(state, batches)
    return {k: p - after.generator.params[k] for k, p in state.generator.params.items()}, after


def replayed_loss(
    game: Game, state: State, after: State, batches: Round, theta: Params, make_optimiser: Any
) -> Tensor:
    """f(θ_G, θ_D^K(θ_G)) by modules, torch.optim and backward(), from the critic after its own move."""
    generator, critic = (
        copy.deepcopy(game.generator.network.module),
        copy.deepcopy(game.critic.network.module),
    )
    for module, params, buffers in (
        (generator, theta, state.generator.buffers),
        (critic, after.critic.params, after.critic.buffers),
    ):
        module.load_state_dict({k: v.clone() for k, v in (params | buffers).items()})
    optimiser = make_optimiser(critic.parameters())
    _load_memory(optimiser, critic, after)
    batch = batches.generator
    with torch.enable_grad():
        fake, real = generator(batch.latent).detach(), batch.real.double()
        for _ in range(game.unroll):
            optimiser.zero_grad()
            loss = game.loss.critic(critic(real), critic(fake)).mean()
            for term in game.critic.terms:
                assert isinstance(term, R1)
                x = real.clone().requires_grad_()
                (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
                loss = loss + 0.5 * term.gamma * slope.square().sum(1).mean()
            loss.backward()
            optimiser.step()
        v = critic(fake)
        return game.loss.generator(v.new_zeros(0), v).mean().detach()


def _load_memory(optimiser: torch.optim.Optimizer, critic: torch.nn.Module, after: State) -> None:
    memory: Any = after.critic.memory
    for name, p in critic.named_parameters():
        if isinstance(optimiser, torch.optim.Adam):
            count = memory.updates.to(torch.float32)
            optimiser.state[p] = {
                "step": count,
                "exp_avg": memory.mean[name].clone(),
                "exp_avg_sq": memory.square[name].clone(),
            }
        else:
            optimiser.state[p] = {"momentum_buffer": memory.velocity[name].clone()}


# R1 under BatchNorm is refused: its gradient example by example does not exist.
@pytest.mark.parametrize(
    ("normed", "penalty"), [(False, False), (False, True), (True, False)], ids=["bare", "r1", "batchnorm"]
)
@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_gradient_equals_finite_differences(optimiser: str, steps: int, penalty: bool, normed: bool) -> None:
    ours, theirs = OPTIMISERS[optimiser]
    game = small_game(
        unroll=steps,
        critic_transform=ours,
        generator_transform=SGD(lr=1.0),
        terms=[R1(0.7)] if penalty else [],
        normed=normed,
    )
    state, batches = warmed(game)
    gradient, after = generator_gradient(game, state, batches)
    torch.manual_seed(0)
    direction = {k: torch.randn_like(p) for k, p in state.generator.params.items()}

    def along(t: float) -> Tensor:
        theta = {k: p + t * direction[k] for k, p in state.generator.params.items()}
        return replayed_loss(game, state, after, batches, theta, theirs)

    h = 1e-4  # central differences of fourth order
    numeric = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
    ours_along = sum((gradient[k] * d).sum() for k, d in direction.items())
    torch.testing.assert_close(ours_along, numeric, rtol=1e-6, atol=1e-9)


def test_the_term_through_the_inner_moves_is_there() -> None:
    """Detaching the inner moves would give another gradient: the test above can fail."""
    game = small_game(unroll=3, critic_transform=SGD(lr=0.5), generator_transform=SGD(lr=1.0))
    state, batches = warmed(game)
    full, _after = generator_gradient(game, state, batches)
    ordinary = small_game(unroll=0, critic_transform=SGD(lr=0.5), generator_transform=SGD(lr=1.0))
    plain, _ = generator_gradient(ordinary, state, batches)
    assert max((full[k] - plain[k]).abs().max() for k in full) > 1e-4


@pytest.mark.parametrize("steps", [1, 4])
def test_nothing_of_the_inner_moves_leaks_into_the_critic(steps: int) -> None:
    options: dict[str, Any] = {"critic_transform": Adam(lr=0.01), "normed": True}
    ordinary, unrolled = small_game(**options), small_game(unroll=steps, **options)
    state, batches = warmed(ordinary)
    leaves = torch.utils._pytree.tree_leaves
    for x, y in zip(
        leaves(ordinary.play(state, batches)[0].critic),
        leaves(unrolled.play(state, batches)[0].critic),
        strict=True,
    ):
        assert torch.equal(x, y)
