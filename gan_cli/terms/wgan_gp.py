"""The gradient penalty of WGAN-GP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gan_cli.calculus import sqrt
from gan_cli.checks import at_least_one, nonnegative
from gan_cli.terms.base import Memoryless, Scene, Side, squared_slope
from gan_cli.types import Noise, Tree


@dataclass(frozen=True)
class WGANGP(Memoryless):
    """λ E(‖∇ₓV(x̂)‖ − 1)², added to the critic's loss (Gulrajani et al. 2017, eq. 3).

    x̂ = εx + (1−ε)G(z) with ε ~ U(0, 1) for each pair of a real and a generated example as the critic sees
    them. one_sided: slopes below 1 cost nothing, λ E max(0, ‖∇ₓV(x̂)‖ − 1)². weight λ ≥ 0; it acts in every
    `every`-th round, every ≥ 1. Raises ValueError otherwise.
    """

    weight: float = 10.0
    one_sided: bool = False
    every: int = 1

    name: ClassVar[str] = "wgan_gp"
    side: ClassVar[Side] = "critic"
    per_sample: ClassVar[bool] = True

    def __post_init__(self) -> None:
        nonnegative(weight=self.weight)
        at_least_one(every=self.every)

    def draw(self, generator: torch.Generator, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        """ε, [B, 1, …, 1]."""
        one_each = (shape[0], *(1 for _ in shape[1:]))
        return torch.rand(one_each, generator=generator, dtype=dtype, device=generator.device)

    def value(self, scene: Scene, memory: Tree, noise: Noise) -> Tensor:
        between = noise * scene.real + (1 - noise) * scene.fake
        excess = sqrt(squared_slope(scene, between)) - 1
        if self.one_sided:
            excess = excess.clamp(min=0)
        return self.weight * excess.square().mean()
