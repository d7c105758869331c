"""One round: equal to a hand-written loop, pure, the same in every calculus and inside an ensemble."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from gan_cli.calculus import functional
from gan_cli.network import Network
from gan_cli.streams import Streams
from gan_cli.terms.base import Scene, Side
from gan_cli.terms.r1 import R1
from gan_cli.transforms.adam import Adam
from gan_cli.transforms.base import chain
from gan_cli.transforms.clipping import GradientClipping
from gan_cli.types import GameState, Params
from gan_cli.views.instance_noise import InstanceNoise
from tests.games import CPU, Cloud, small_game

FULL: dict[str, Any] = {
    "generator_transform": chain(GradientClipping(0.5), Adam(lr=0.01)),
    "critic_transform": chain(GradientClipping(0.5), Adam(lr=0.01)),
    "views": [InstanceNoise(start=0.3, steps=10)],
    "terms": [R1(0.5)],
    "unroll": 2,
    "critic_steps": 2,
}
NORMED = FULL | {"normed": True, "terms": []}


def trained(rounds: int, seed: int = 0, **options: Any) -> GameState:
    game, streams, feed = small_game(**options), Streams(seed, CPU), Cloud()
    state = game.init(seed)
    for step in range(rounds):
        state, _ = game.play(state, game.draw(step, feed, streams))
    return state


def assert_equal(a: Any, b: Any, rtol: float = 0.0) -> None:
    for x, y in zip(tree_leaves(a), tree_leaves(b), strict=True):
        torch.testing.assert_close(x, y, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("critic_steps", [1, 3])
def test_equals_a_tutorial_loop(critic_steps: int) -> None:
    """Modules, loss.backward() and torch.optim.Adam, as in the paper's algorithm 1, with BatchNorm."""
    game = small_game(
        "gan_ns",
        normed=True,
        critic_steps=critic_steps,
        generator_transform=Adam(lr=0.01),
        critic_transform=Adam(lr=0.02),
    )
    state, streams, feed = game.init(3), Streams(3, CPU), Cloud()
    g, d = copy.deepcopy(game.generator.network.module), copy.deepcopy(game.critic.network.module)
    g.load_state_dict(state.generator.params | state.generator.buffers)
    d.load_state_dict(state.critic.params | state.critic.buffers)
    g, d = copy.deepcopy(g), copy.deepcopy(d)
    adam_g = torch.optim.Adam(g.parameters(), 0.01, betas=(0.5, 0.999))
    adam_d = torch.optim.Adam(d.parameters(), 0.02, betas=(0.5, 0.999))
    for step in range(20):
        batches = game.draw(step, feed, streams)
        state, _ = game.play(state, batches)
        running = {k: b.clone() for k, b in g.named_buffers()}
        for batch in batches.critic:
            adam_d.zero_grad()
            loss = F.softplus(-d(batch.real.double())).mean() + F.softplus(d(g(batch.latent).detach())).mean()
            loss.backward()
            adam_d.step()
        g.load_state_dict(g.state_dict() | running)  # only the generator's own move feeds its statistics
        kept = {k: b.clone() for k, b in d.named_buffers()}
        adam_g.zero_grad()
        F.softplus(-d(g(batches.generator.latent))).mean().backward()
        adam_g.step()
        d.load_state_dict(d.state_dict() | kept)  # and only the critic's its own
    for player, module in ((state.generator, g), (state.critic, d)):
        for name, value in module.state_dict().items():
            torch.testing.assert_close((player.params | player.buffers)[name], value, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("options", [FULL, NORMED], ids=["plain", "batchnorm"])
def test_play_is_pure(options: dict[str, Any]) -> None:
    game = small_game(**options)
    streams, feed = Streams(0, CPU), Cloud()
    state, batches = game.init(0), game.draw(0, feed, streams)
    before = tree_map(torch.clone, (state, batches))
    first, second = game.play(state, batches), game.play(state, batches)
    assert_equal((state, batches), before)
    assert_equal(first, second)
    assert not any(x.requires_grad for x in tree_leaves(first))


@pytest.mark.parametrize("loss", ["gan", "fgan_jeffreys", "wgan", "rpgan"])
def test_every_calculus_gives_the_same_numbers(loss: str) -> None:
    assert_equal(
        trained(5, loss_name=loss, **FULL),
        trained(5, loss_name=loss, calculus=functional, **FULL),
        rtol=1e-10,
    )


@pytest.mark.parametrize("options", [FULL, NORMED], ids=["plain", "batchnorm"])
def test_an_ensemble_of_seeds_gives_each_run_its_own_numbers(options: dict[str, Any]) -> None:
    game = small_game(calculus=functional, **options)
    seeds, feed = (0, 1, 2), Cloud()

    def stack(*trees: Any) -> Any:
        return tree_map(lambda *x: torch.stack(x), *trees)

    states = stack(*(game.init(seed) for seed in seeds))
    for step in range(5):
        rounds = stack(*(game.draw(step, feed, Streams(seed, CPU)) for seed in seeds))
        states, _ = torch.vmap(game.play)(states, rounds)
    for i, seed in enumerate(seeds):
        alone = trained(5, seed, **options)
        assert_equal(tree_map(lambda x, i=i: x[i], states), alone, rtol=1e-8)


@dataclass(frozen=True)
class Drift:
    """‖θ − θ̄‖² with a running mean θ̄ and a random weight: a term with a memory and a draw, on either side."""

    side: Side
    weight: float
    name: ClassVar[str] = "drift"
    per_sample: ClassVar[bool] = False
    every: ClassVar[int] = 1

    def init(self, params: Params) -> Params:
        return params

    def draw(self, generator: torch.Generator, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        return torch.rand((), generator=generator, dtype=dtype)

    def value(self, scene: Scene, memory: Params, noise: Tensor) -> Tensor:
        squares = [(p - memory[k]).square().sum() for k, p in scene.params.items()]
        return self.weight * (1 + noise) * torch.stack(squares).sum()

    def update(self, memory: Params, params: Params, real: Tensor, fake: Tensor) -> Params:
        return {k: 0.5 * m + 0.5 * params[k] for k, m in memory.items()}


def test_terms_with_memory_and_draws_hold_either_player_back() -> None:
    """A strong pull towards the running mean shortens the way; the memory follows; all calculi agree."""
    options: dict[str, Any] = {"unroll": 1, "critic_steps": 2}
    free = trained(10, **options)
    for name in ("generator", "critic"):
        terms = [Drift(name, 4.0)]
        held = trained(10, terms=terms, **options)
        assert_equal(held, trained(10, terms=terms, calculus=functional, **options), rtol=1e-10)
        start = small_game().init(0)
        way = [
            sum(
                (getattr(end, name).params[k] - p).square().sum()
                for k, p in getattr(start, name).params.items()
            )
            for end in (free, held)
        ]
        assert way[1] < way[0]
        (memory,) = getattr(held, name).terms
        assert not torch.equal(memory["body.0.weight"], getattr(start, name).params["body.0.weight"])


class Remembering(nn.Module):
    """A generator whose buffer is a differentiable running mean of what it made."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 2)
        self.register_buffer("mean", torch.zeros(2))

    def forward(self, z: Tensor) -> Tensor:
        x: Tensor = self.body(z)
        self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
        return x - self.mean


def test_a_buffer_keeps_no_history_of_rounds() -> None:
    plain = small_game()
    game = replace(plain, generator=replace(plain.generator, network=Network(Remembering, torch.float64)))
    state, _ = game.play(game.init(0), game.draw(0, Cloud(), Streams(0, CPU)))
    assert not state.generator.buffers["mean"].requires_grad
    assert state.generator.buffers["mean"].abs().sum() > 0


def test_draws_are_a_function_of_seed_and_step() -> None:
    game, feed = small_game(**FULL), Cloud()
    first, again = (game.draw(7, feed, Streams(5, CPU)) for _ in range(2))
    assert_equal(first, again)
    other = game.draw(7, feed, Streams(6, CPU))
    assert not torch.equal(first.generator.latent, other.generator.latent)
    latents = [b.latent for b in (*first.critic, first.generator)]
    assert not torch.equal(latents[0], latents[1])
    assert latents[1] is latents[2]
    assert not torch.equal(first.critic[1].view_fake[0], first.generator.view_fake[0])
    assert not torch.equal(first.generator.view_real[0], first.generator.view_fake[0])


def test_a_trick_leaves_the_other_streams_alone() -> None:
    feed = Cloud()
    plain = small_game().draw(3, feed, Streams(0, CPU))
    noisy = small_game(views=[InstanceNoise()]).draw(3, feed, Streams(0, CPU))
    assert torch.equal(plain.generator.latent, noisy.generator.latent)


def test_each_critic_step_has_its_own_batch_and_the_count_is_kept() -> None:
    state = trained(4, critic_steps=3, critic_transform=Adam(), generator_transform=Adam())
    assert state.critic.memory.updates == 12
    assert state.generator.memory.updates == 4
    assert state.step == 4
