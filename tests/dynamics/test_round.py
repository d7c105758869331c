"""One round: equal to a hand-written loop, pure, the same in every calculus and inside an ensemble."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.utils._pytree import tree_leaves, tree_map

from gan_cli.calculus import functional
from gan_cli.streams import Streams
from gan_cli.terms.r1 import R1
from gan_cli.transforms.adam import Adam
from gan_cli.transforms.base import chain
from gan_cli.transforms.clipping import GradientClipping
from gan_cli.types import State
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


def trained(rounds: int, seed: int = 0, **options: Any) -> State:
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
