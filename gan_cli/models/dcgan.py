"""DCGAN for square images of any channel count."""

from __future__ import annotations

import itertools
from typing import Literal

from torch import Tensor, nn

from gan_cli.checks import at_least_one
from gan_cli.models.base import Norm, Output, PixelRange, normal_init, normalisation
from gan_cli.models.conditional import Condition, Told

Kernel = Literal[4, 5]


class Generator(nn.Module):
    """z → base × base → strided transposed convolutions, doubling the side → image (Radford et al. 2016, §3).

    BatchNorm and ReLU everywhere but at the output; weights N(0, 0.02²), BatchNorm scales N(1, 0.02²). The
    channels halve at each doubling and end at `width` before the last layer: width 128 at 64 pixels is the
    paper's 1024-512-256-128, width 64 the halved net of PyTorch's example. kernel 5 is the paper's, 4 the
    example's. Raises ValueError for a shape that is no square image of side 4…7 · 2ⁿ, n ≥ 1.
    """

    def __init__(
        self,
        latent: int,
        shape: tuple[int, ...],
        pixel_range: PixelRange,
        width: int = 64,
        kernel: Kernel = 4,
        norm: Norm = "batch",
    ):
        super().__init__()
        at_least_one(width=width)
        base, doublings = pyramid(shape)
        channels = [width * 2**i for i in reversed(range(doublings))]
        self.base = (channels[0], base, base)
        bias = norm != "batch"  # BatchNorm removes a bias before it
        self.project = nn.Linear(latent, channels[0] * base * base, bias=bias)
        layers: list[nn.Module] = [*normalisation(norm, channels[0]), nn.ReLU()]
        for inputs, outputs in itertools.pairwise(channels):
            layers += [_up(inputs, outputs, kernel, bias), *normalisation(norm, outputs), nn.ReLU()]
        self.body = nn.Sequential(*layers, _up(channels[-1], shape[0], kernel, True))
        self.output = Output(pixel_range)
        normal_init(self, 0.02, norm_std=0.02)

    def forward(self, z: Tensor) -> Tensor:
        return self.output(self.body(self.project(z).unflatten(1, self.base)))  # type: ignore[no-any-return]


class Critic(nn.Module):
    """image → strided convolutions, halving the side → one score (Radford et al. 2016, §3).

    LeakyReLU 0.2, normalisation everywhere but at the input; weights as in Generator. norm `layer` or `none`
    instead of `batch` gives a critic whose score of an example does not depend on the rest of its batch.
    With classes it takes labels, too: see `Told`. Raises ValueError as Generator does.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: int = 64,
        kernel: Kernel = 4,
        norm: Norm = "batch",
        classes: int = 0,
        condition: Condition = "concat",
    ):
        super().__init__()
        at_least_one(width=width)
        base, halvings = pyramid(shape)
        channels = [width * 2**i for i in range(halvings)]
        bias = norm != "batch"
        size = channels[-1] * base * base
        self.told = Told(classes, condition, size)
        read = shape[0] + self.told.planes
        layers: list[nn.Module] = [_down(read, width, kernel, True), nn.LeakyReLU(0.2)]
        for inputs, outputs in itertools.pairwise(channels):
            layers += [_down(inputs, outputs, kernel, bias), *normalisation(norm, outputs), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(size, 1))
        normal_init(self, 0.02, norm_std=0.02)

    def forward(self, x: Tensor, *label: Tensor) -> Tensor:
        score: Tensor = self.told(self.body, x, *label)
        return score


def pyramid(shape: tuple[int, ...]) -> tuple[int, int]:
    """(side of the smallest plane, number of doublings) for an image shape [C, S, S] with S = (4…7) · 2ⁿ."""
    if len(shape) != 3 or shape[1] != shape[2]:
        raise ValueError(
            f"shape must be a square image [C, S, S], got {list(shape)}: for points use model=mlp"
        )
    side, doublings = shape[1], 0
    while side >= 8 and side % 2 == 0:
        side, doublings = side // 2, doublings + 1
    if doublings == 0 or not 4 <= side <= 7:
        legal = [b * 2**n for n in range(1, 9) for b in (4, 5, 6, 7)]
        best = min(legal, key=lambda s: abs(s - shape[1]))
        raise ValueError(f"image side must be (4…7)·2ⁿ with n ≥ 1, got {shape[1]}: use data.size={best}")
    return side, doublings


def _up(inputs: int, outputs: int, kernel: int, bias: bool) -> nn.Module:
    extra = kernel - 4  # 5 × 5 needs one row more to double the side exactly
    return nn.ConvTranspose2d(inputs, outputs, kernel, 2, padding=1 + extra, output_padding=extra, bias=bias)


def _down(inputs: int, outputs: int, kernel: int, bias: bool) -> nn.Module:
    return nn.Conv2d(inputs, outputs, kernel, 2, padding=1 + (kernel - 4), bias=bias)
