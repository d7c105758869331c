"""Small games for tests, built from the same parts as real ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from gan_cli.calculus import Calculus, eager
from gan_cli.game import Game, Prior, Side
from gan_cli.losses.base import Loss
from gan_cli.models.mlp import Critic, Generator
from gan_cli.network import Network
from gan_cli.streams import Streams
from gan_cli.terms.base import Scene, Term
from gan_cli.transforms.base import Transform
from gan_cli.transforms.sgd import SGD
from gan_cli.views.base import View, compose

CONFIGS = Path(__file__).parent.parent / "configs"
CPU = torch.device("cpu")


def loss(name: str, **options: Any) -> Loss:
    """The loss of that yaml, with some arguments replaced."""
    made: Loss = instantiate(OmegaConf.load(CONFIGS / "loss" / f"{name}.yaml"), **options, _convert_="all")
    return made


class Cloud:
    """Real points from two Gaussians, batch by batch."""

    def __init__(self, batch_size: int = 8, seed: int = 0):
        self.batch_size = batch_size
        self.streams = Streams(seed, CPU)

    def batch(self, number: int) -> Tensor:
        g = self.streams.at("data", number)
        side = torch.randint(0, 2, (self.batch_size, 1), generator=g) * 2 - 1
        return side + 0.1 * torch.randn(self.batch_size, 2, generator=g)

    def labels(self, number: int) -> Tensor:
        raise NotImplementedError


def normed_generator() -> nn.Module:
    """z [B, 3] -> [B, 2] through BatchNorm."""
    return nn.Sequential(nn.Linear(3, 6, bias=False), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 2))


class NormedCritic(nn.Module):
    """x [B, 2] -> [B] through BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(2, 5, bias=False), nn.BatchNorm1d(5), nn.Softplus(), nn.Linear(5, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).squeeze(1)  # type: ignore[no-any-return]


def small_game(
    loss_name: str = "gan_ns",
    *,
    generator_transform: Transform | None = None,
    critic_transform: Transform | None = None,
    views: Sequence[View] = (),
    terms: Sequence[Term] = (),
    normed: bool = False,
    unroll: int = 0,
    critic_steps: int = 1,
    calculus: Calculus = eager,
    batch_size: int = 8,
) -> Game:
    """A float64 game of two small smooth networks on points."""
    make_g = partial(Generator, 3, (2,), None, width=6, depth=1, activation="tanh")
    make_c = partial(Critic, (2,), width=5, depth=1, activation="softplus")

    def side(name: str, make: Callable[[], nn.Module], transform: Transform | None) -> Side:
        mine = tuple(t for t in terms if t.side == name)
        return Side(Network(make, torch.float64), transform or SGD(lr=0.1), mine)

    return Game(
        generator=side("generator", normed_generator if normed else make_g, generator_transform),
        critic=side("critic", NormedCritic if normed else make_c, critic_transform),
        loss=loss(loss_name),
        prior=Prior(3),
        prepare=lambda x: x,
        batch_size=batch_size,
        view=compose(*views),
        critic_steps=critic_steps,
        unroll=unroll,
        calculus=calculus,
        dtype=torch.float64,
    )


def scene_of(
    score: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    *,
    params: dict[str, Tensor] | None = None,
    features: Callable[[Tensor, int], Tensor] | None = None,
    energy: Callable[[dict[str, Tensor]], Tensor] | None = None,
    calculus: Calculus = eager,
    step: int = 0,
) -> Scene:
    """What a term sees of a critic that is any function of x, [B, …] -> [B]."""

    def none(*_: object) -> Tensor:
        raise AssertionError("the term was not to look at this")

    return Scene(
        params=params or {},
        real=real,
        fake=fake,
        real_score=score(real),
        fake_score=score(fake),
        score=score,
        features=features or none,
        energy=energy or none,
        calculus=calculus,
        step=torch.tensor(step),
    )
