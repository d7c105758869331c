"""The unrolled GAN's networks for Stacked MNIST (Metz et al. 2017; sizes as in PacGAN, table 3)."""

from __future__ import annotations

import itertools
import math

from torch import Tensor, nn

from gan_cli.checks import at_least_one
from gan_cli.models.base import Output, PixelRange, normal_init

_HALVINGS = 3
_SLOPE = 0.3


class Generator(nn.Module):
    """z → 4 × 4 × 4w → transposed convolutions of 2w, w and w/2 channels → convolution → image.

    The sides are 4, 7, 14 and 28, or ⌈S/8⌉, ⌈S/4⌉, ⌈S/2⌉ and S in general; kernels are 3 × 3, BatchNorm and
    ReLU stand everywhere but at the output; weights are N(0, 0.02²). width w = 16 is the paper's 64-32-16-8.
    Raises ValueError for a shape that is no square image of side 8 or more, and for a width that is not even.
    """

    def __init__(self, latent: int, shape: tuple[int, ...], pixel_range: PixelRange, width: int = 16):
        super().__init__()
        sides = halvings(shape)
        if width < 2 or width % 2:
            raise ValueError(f"width must be even and at least 2, got {width}")
        channels = (4 * width, 2 * width, width, width // 2)
        self.base = (channels[0], sides[-1], sides[-1])
        layers: list[nn.Module] = [nn.BatchNorm2d(channels[0]), nn.ReLU()]
        for (inputs, outputs), (side, finer) in zip(
            itertools.pairwise(channels), itertools.pairwise(sides[::-1]), strict=True
        ):
            # A stride of 2 gives 2·side − 1 rows, and one more where that is the finer side.
            more = finer - (2 * side - 1)
            up = nn.ConvTranspose2d(inputs, outputs, 3, 2, padding=1, output_padding=more, bias=False)
            layers += [up, nn.BatchNorm2d(outputs), nn.ReLU()]
        self.project = nn.Linear(latent, math.prod(self.base), bias=False)
        self.body = nn.Sequential(*layers, nn.Conv2d(channels[-1], shape[0], 3, padding=1))
        self.output = Output(pixel_range)
        normal_init(self, 0.02)

    def forward(self, z: Tensor) -> Tensor:
        return self.output(self.body(self.project(z).unflatten(1, self.base)))  # type: ignore[no-any-return]


class Critic(nn.Module):
    """image → convolutions of stride 2 with w, 2w and 4w channels, BatchNorm, LeakyReLU 0.3 → one score.

    Weights are N(0, 0.02²). width w = 2 is the paper's critic of size ¼, width 4 that of size ½. Raises
    ValueError as Generator does.
    """

    def __init__(self, shape: tuple[int, ...], width: int = 4):
        super().__init__()
        at_least_one(width=width)
        side = halvings(shape)[-1]
        channels = (shape[0], width, 2 * width, 4 * width)
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(channels):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(outputs), nn.LeakyReLU(_SLOPE)]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * side**2, 1))
        normal_init(self, 0.02)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).squeeze(1)  # type: ignore[no-any-return]


def halvings(shape: tuple[int, ...]) -> list[int]:
    """The sides of the planes of a square image [C, S, S], halved three times and rounded up: 28, 14, 7, 4.

    >>> halvings((3, 28, 28))
    [28, 14, 7, 4]
    """
    if len(shape) != 3 or shape[1] != shape[2] or shape[1] < 2**_HALVINGS:
        raise ValueError(
            f"shape must be a square image [C, S, S], S ≥ 8, got {list(shape)}: for points use model=mlp"
        )
    sides = [shape[1]]
    for _ in range(_HALVINGS):
        sides.append((sides[-1] + 1) // 2)
    return sides
