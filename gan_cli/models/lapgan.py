"""The networks of a Laplacian pyramid's finer levels (Denton et al. 2015, section 4.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_cli.checks import at_least_one
from gan_cli.models.base import PixelRange, normal_init


class Generator(nn.Module):
    """(noise plane, blurred image) → convolutions of 3 × 3, BatchNorm, ReLU → the residual that sharpens it.

    A latent is the plane, S² numbers, and then the blurred image, C · S², so its size `latent` follows from
    the shape. The residual has no bounds. depth: hidden layers of `width` channels. Raises ValueError for
    sizes below 1.
    """

    def __init__(
        self,
        latent: int,
        shape: tuple[int, ...],
        pixel_range: PixelRange,
        width: int = 64,
        depth: int = 2,
    ):
        super().__init__()
        at_least_one(width=width, depth=depth)
        self.planes = (shape[0] + 1, *shape[1:])
        layers: list[nn.Module] = []
        read = shape[0] + 1
        for _ in range(depth):
            layers += [nn.Conv2d(read, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            read = width
        self.body = nn.Sequential(*layers, nn.Conv2d(read, shape[0], 3, padding=1))
        normal_init(self, 0.02, norm_std=0.02)

    def forward(self, z: Tensor) -> Tensor:
        residual: Tensor = self.body(z.unflatten(1, self.planes))
        return residual


class Critic(nn.Module):
    """(residual, blurred image) → the residual, their sum → strided convolutions, LeakyReLU 0.2 → one score.

    The sum is the sharp image, which the paper's critic sees. depth: layers that halve the side. Raises
    ValueError for sizes below 1.
    """

    def __init__(self, shape: tuple[int, ...], width: int = 64, depth: int = 2):
        super().__init__()
        at_least_one(width=width, depth=depth)
        self.shape = tuple(shape)
        layers: list[nn.Module] = []
        read, side = 2 * shape[0], shape[1]
        for number in range(depth):
            out = width * 2**number
            layers += [nn.Conv2d(read, out, 3, 2, padding=1), nn.LeakyReLU(0.2)]
            read, side = out, (side + 1) // 2
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(read * side**2, 1))
        normal_init(self, 0.02)

    def forward(self, x: Tensor, blurred: Tensor) -> Tensor:
        low = blurred.unflatten(1, self.shape)
        score: Tensor = self.body(torch.cat([x, x + low], 1))
        return score.squeeze(1)
