"""The gradient penalty of DRAGAN."""

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
class DRAGAN(Memoryless):
    """λ E(‖∇ₓV(x + δ)‖ − 1)² around real examples, added to the critic's loss (Kodali et al. 2017).

    δ = α·c·s·u as in the authors' code: u ~ U(0, 1) for each coordinate, α ~ U(0, 1) for each example, s the
    standard deviation of all numbers in the real batch as the critic sees it, which makes the width c one of
    the data's own scale. The paper's text has δ ~ N(0, cI) instead. weight λ ≥ 0, width ≥ 0; it acts in every
    `every`-th round, every ≥ 1. Raises ValueError otherwise.
    """

    weight: float = 10.0
    width: float = 0.5
    every: int = 1

    name: ClassVar[str] = "dragan"
    side: ClassVar[Side] = "critic"
    per_sample: ClassVar[bool] = True

    def __post_init__(self) -> None:
        nonnegative(weight=self.weight, width=self.width)
        at_least_one(every=self.every)

    def draw(self, generator: torch.Generator, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        """αu, [B, …]."""
        one_each = (shape[0], *(1 for _ in shape[1:]))
        alpha, u = (
            torch.rand(size, generator=generator, dtype=dtype, device=generator.device)
            for size in (one_each, shape)
        )
        return alpha * u

    def value(self, scene: Scene, memory: Tree, noise: Noise) -> Tensor:
        # The variance within each process's share of the batch, and between the shares.
        mean = scene.calculus.mean
        variance, middle = torch.var_mean(scene.real, correction=0)
        spread = mean((variance + (middle - mean(middle[None])).square())[None]).sqrt()
        slope = sqrt(squared_slope(scene, scene.real + self.width * spread * noise))
        return self.weight * (slope - 1).square().mean()
