"""The latent distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gan_cli.checks import at_least_one


@dataclass(frozen=True)
class Prior:
    """The latent distribution: N(0, I) or U(−1, 1) in `size` dimensions. Raises ValueError for size < 1."""

    size: int
    kind: Literal["normal", "uniform"] = "normal"

    def __post_init__(self) -> None:
        at_least_one(latent=self.size)

    def draw(self, generator: torch.Generator, n: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """n latents, [n, Z], on the generator's device."""
        device = generator.device
        if self.kind == "normal":
            return torch.randn(n, self.size, generator=generator, dtype=dtype, device=device)
        return 2 * torch.rand(n, self.size, generator=generator, dtype=dtype, device=device) - 1
