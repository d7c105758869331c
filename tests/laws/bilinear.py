"""The smallest game that rotates: min over x, max over y of −xy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gan_cli.calculus import functional
from gan_cli.dynamics import Order
from gan_cli.game import Game, Prior, Side
from gan_cli.network import Network
from gan_cli.streams import Streams
from gan_cli.transforms.base import Transform, chain
from gan_cli.transforms.sgd import SGD
from gan_cli.types import GameState
from tests.games import CPU, loss


class Constant(nn.Module):
    """z -> x, the same parameter for all: [B, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.ones(1))

    def forward(self, z: Tensor) -> Tensor:
        return self.x.expand(len(z), 1)


class Slope(nn.Module):
    """x -> y·x, [B]."""

    def __init__(self) -> None:
        super().__init__()
        self.y = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return (self.y * x).squeeze(1)


class Zeros:
    """Real examples that are all 0."""

    def batch(self, number: int) -> Tensor:
        return torch.zeros(2, 1)

    def labels(self, number: int) -> Tensor:
        raise NotImplementedError


def bilinear(
    order: Order,
    tricks: Sequence[Transform] = (),
    rate: float = 0.2,
    rounds: int = 200,
    critic_steps: int = 1,
) -> GameState:
    """WGAN's game with real examples 0, generated ones x and V(x) = yx, played from (1, 1)."""
    transform = chain(SGD(lr=rate), *tricks)
    made = Game(
        generator=Side(Network(Constant, torch.float64), transform),
        critic=Side(Network(Slope, torch.float64), transform),
        loss=loss("wgan"),
        prior=Prior(1),
        prepare=lambda x: x,
        batch_size=2,
        critic_steps=critic_steps,
        order=order,
        calculus=functional,
        dtype=torch.float64,
    )
    state, streams = made.init(0), Streams(0, CPU)
    drawn = made.draw(0, Zeros(), streams)
    for _ in range(rounds):
        state, _ = made.play(state, drawn)
    return state


def distance(state: GameState) -> float:
    """From the equilibrium (0, 0)."""
    return math.hypot(state.generator.params["x"].item(), state.critic.params["y"].item())
