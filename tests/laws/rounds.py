"""Laws that every trick obeys, as functions of the game that it is part of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from gan_cli.calculus import functional
from gan_cli.game import Game
from gan_cli.objectives import at, of_generator
from gan_cli.streams import Streams
from gan_cli.types import GameState, Params
from tests.games import CPU, Cloud
from tests.test_combinations import built

_PRECISE = ["device=cpu", "runtime.precision=fp64", "batch_size=4", "optimizer.critic.lr=0.01"]
POINTS = ["data=ring", "model=mlp", "model.width=5", "model.latent=3", *_PRECISE]
IMAGES = [
    *["data=fake", "data.size=8", "data.channels=3", "data.count=8"],
    *["model=dcgan", "model.width=2", "model.latent=3", *_PRECISE],
]


class Pictures:
    """Real images [4, C, 8, 8] of random bytes, batch by batch."""

    def __init__(self, channels: int = 3) -> None:
        self.streams, self.channels = Streams(0, CPU), channels

    def batch(self, number: int) -> Tensor:
        shape = (4, self.channels, 8, 8)
        return torch.randint(0, 256, shape, generator=self.streams.at("data", number), dtype=torch.uint8)


def game(base: Sequence[str], *overrides: str) -> Game:
    """The game of that command line."""
    return built(*base, *overrides).game


def feed(of: Game) -> Any:
    """Real examples that suit the game."""
    images = any(isinstance(m, torch.nn.Conv2d) for m in of.critic.network.module.modules())
    return Pictures() if images else Cloud(4)


def trained(of: Game, rounds: int, seed: int = 0) -> GameState:
    """The state after some rounds, one run alone."""
    state, streams, real = of.init(seed), Streams(seed, CPU), feed(of)
    for step in range(rounds):
        state, _ = of.play(state, of.draw(step, real, streams))
    return state


def assert_same(a: Any, b: Any, rtol: float = 1e-9) -> None:
    """Trees of equal tensors, up to rounding."""
    for x, y in zip(tree_leaves(a), tree_leaves(b), strict=True):
        torch.testing.assert_close(x, y, rtol=rtol, atol=rtol)


def assert_an_ensemble_is_its_runs(of: Game, rounds: int = 3) -> None:
    """Two seeds vmapped in the functional calculus end where each ends alone on the tape, in float64."""
    together, real, seeds = replace(of, calculus=functional), feed(of), (0, 1)

    def stack(*trees: Any) -> Any:
        return tree_map(lambda *x: torch.stack(x), *trees)

    states = stack(*(of.init(seed) for seed in seeds))
    for step in range(rounds):
        drawn = stack(*(of.draw(step, real, Streams(seed, CPU)) for seed in seeds))
        states, _ = torch.vmap(together.play)(states, drawn)
    for i, seed in enumerate(seeds):
        assert_same(tree_map(lambda x, i=i: x[i], states), trained(of, rounds, seed))


def assert_the_generators_gradient_is_a_slope(of: Game, rounds: int = 2, h: float = 1e-6) -> None:
    """Against central differences of its loss along a random direction, after a few rounds."""
    state, batch = trained(of, rounds), of.draw(rounds, feed(of), Streams(0, CPU)).generator

    def objective(params: Params) -> tuple[Tensor, tuple[()]]:
        player = at(state.generator, params)
        fake, _ = of.generate(player, batch.latent)
        seen = of.seen(of.prepared(batch), fake, batch, state.step)
        return of_generator(of, player, state.critic, seen, batch)[0], ()

    params = state.generator.params
    with torch.no_grad():
        gradient, _, _ = of.calculus.gradient(objective, params)
        g = torch.Generator().manual_seed(1)
        way = {k: torch.randn(p.shape, generator=g, dtype=p.dtype) for k, p in params.items()}
        ahead, behind = (objective({k: p + s * way[k] for k, p in params.items()})[0] for s in (h, -h))
        slope = torch.stack([(gradient[k] * way[k]).sum() for k in params]).sum()
    assert slope.abs() > 1e-8
    torch.testing.assert_close(slope, (ahead - behind) / (2 * h), rtol=1e-5, atol=1e-9)
