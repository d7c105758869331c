"""The generator whose law is known: an affine map of the latents."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gan_cli.checks import positive
from gan_cli.models.base import Output, PixelRange


class Generator(nn.Module):
    """x = μ + Az, from z ~ N(0, I) a sample of N(μ, AAᵀ); on the line x = μ + σz (f-GAN's univariate fit).

    μ, [D], starts at `mean` in every coordinate, A, [D, Z], with `std` on its diagonal and 0 elsewhere;
    images are mapped onto the data's range. Raises ValueError for std ≤ 0.

    >>> Generator(1, (1,), None, mean=2.0, std=0.5)(torch.tensor([[0.0], [2.0]])).tolist()
    [[2.0], [3.0]]
    """

    def __init__(
        self,
        latent: int,
        shape: tuple[int, ...],
        pixel_range: PixelRange,
        mean: float = 0.0,
        std: float = 1.0,
    ):
        super().__init__()
        positive(std=std)
        self.shape = tuple(shape)
        size = math.prod(shape)
        self.mean = nn.Parameter(torch.full((size,), float(mean)))
        self.map = nn.Parameter(std * torch.eye(size, latent))
        self.output = Output(pixel_range)

    def forward(self, z: Tensor) -> Tensor:
        return self.output(self.mean + z @ self.map.T).unflatten(1, self.shape)  # type: ignore[no-any-return]
