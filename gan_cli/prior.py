"""The latent distribution."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gan_cli.checks import at_least_one
from gan_cli.walks import Kind

CLASS_COLUMNS = 10
"""Samples of each class in a picture of all classes."""


@dataclass(frozen=True)
class Prior:
    """The latent distribution: N(0, I) or U(−1, 1) in `size` dimensions. Raises ValueError for size < 1.

    With classes, a latent ends with its class as a row of the identity, [z, e_y], y uniform.
    """

    size: int
    kind: Kind = "normal"
    classes: int = 0

    def __post_init__(self) -> None:
        at_least_one(latent=self.size)

    def draw(self, generator: torch.Generator, n: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """n latents, [n, Z], on the generator's device; [n, Z + K] with K classes."""
        z = self.draw_alone(generator, n, dtype)
        if not self.classes:
            return z
        return told(z, torch.randint(self.classes, (n,), generator=generator, device=z.device), self.classes)

    def draw_alone(self, generator: torch.Generator, n: int, dtype: torch.dtype) -> Tensor:
        """n draws of z without a class, [n, Z]."""
        device = generator.device
        if self.kind == "normal":
            return torch.randn(n, self.size, generator=generator, dtype=dtype, device=device)
        return 2 * torch.rand(n, self.size, generator=generator, dtype=dtype, device=device) - 1

    def of_each_class(self, generator: torch.Generator, n: int, dtype: torch.dtype) -> Tensor:
        """The same n draws of z with each class in turn, [K·n, Z + K]."""
        z = self.draw_alone(generator, n, dtype).repeat(self.classes, 1)
        labels = torch.arange(self.classes, device=z.device).repeat_interleave(n)
        return told(z, labels, self.classes)


def told(z: Tensor, labels: Tensor, classes: int) -> Tensor:
    """[z, e_y]: [B, Z], int64 [B] -> [B, Z + K]."""
    return torch.cat([z, one_hot(labels, classes).to(z.dtype)], 1)
