"""The f-GAN paper's networks for MNIST (Nowozin et al. 2016, §4 and appendix)."""

from __future__ import annotations

import math

from torch import Tensor, nn

from gan_cli.checks import at_least_one
from gan_cli.models.base import Output, PixelRange, normal_init


class Generator(nn.Module):
    """z → 2 × (Linear width, BatchNorm, ReLU) → Linear → range; weights N(0, 0.05²).

    The hidden layers have no bias: BatchNorm removes it. Raises ValueError for width < 1.
    """

    def __init__(self, latent: int, shape: tuple[int, ...], pixel_range: PixelRange, width: int = 1200):
        super().__init__()
        at_least_one(width=width)
        self.shape = tuple(shape)
        layers: list[nn.Module] = []
        for size in (latent, width):
            layers += [nn.Linear(size, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.Linear(width, math.prod(shape)))
        self.output = Output(pixel_range)
        normal_init(self, 0.05)

    def forward(self, z: Tensor) -> Tensor:
        return self.output(self.body(z)).unflatten(1, self.shape)  # type: ignore[no-any-return]


class Critic(nn.Module):
    """x → 2 × (Linear width, ELU) → Linear 1; weights N(0, 0.005²). Raises ValueError for width < 1."""

    def __init__(self, shape: tuple[int, ...], width: int = 240):
        super().__init__()
        at_least_one(width=width)
        size = math.prod(shape)
        self.body = nn.Sequential(
            nn.Linear(size, width), nn.ELU(), nn.Linear(width, width), nn.ELU(), nn.Linear(width, 1)
        )
        normal_init(self, 0.005)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x.flatten(1)).squeeze(1)  # type: ignore[no-any-return]
