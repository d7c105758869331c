"""Instance noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gan_cli.checks import at_least_one, nonnegative


@dataclass(frozen=True)
class InstanceNoise:
    """x + σₜ·ε, fresh ε ~ N(0, I) on real and fake examples (Sønderby et al. 2017; Arjovsky & Bottou 2017).

    σₜ goes from start to end over `steps` updates of the generator, linearly, by a half cosine, or stays at
    start; afterwards it stays at end. The noise makes the supports of both distributions overlap, so that
    their divergence is finite and has a gradient. Samples and evaluation never see it.

    start, end ≥ 0 in the unit of the (normalised) examples; steps ≥ 1. Raises ValueError otherwise.
    """

    start: float = 0.1
    end: float = 0.0
    steps: int = 10_000
    schedule: Literal["linear", "cosine", "constant"] = "linear"

    def __post_init__(self) -> None:
        nonnegative(start=self.start, end=self.end)
        at_least_one(steps=self.steps)

    def sigma(self, step: Tensor) -> Tensor:
        """σ at a step, []."""
        done = torch.clamp(step.double() / self.steps, max=1.0)
        if self.schedule == "cosine":
            done = (1 - torch.cos(math.pi * done)) / 2
        elif self.schedule == "constant":
            done = torch.zeros_like(done)
        return self.start + (self.end - self.start) * done

    def draw(self, generator: torch.Generator, x: torch.Size, dtype: torch.dtype) -> Tensor:
        return torch.randn(x, generator=generator, dtype=dtype, device=generator.device)

    def apply(self, x: Tensor, noise: Tensor, step: Tensor) -> Tensor:
        return x + self.sigma(step).to(x.dtype) * noise
