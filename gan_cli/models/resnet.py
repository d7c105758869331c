"""Residual networks for square images: pre-activation blocks, with and without normalisation."""

from __future__ import annotations

import itertools
import math
from typing import Literal

from torch import Tensor, nn

from gan_cli.checks import at_least_one
from gan_cli.models.base import Activation, Norm, Output, PixelRange, activation, normalisation
from gan_cli.models.dcgan import pyramid

Pool = Literal["mean", "sum"]


class Residual(nn.Module):
    """x → shortcut(x) + branch(x)."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module):
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.branch(x)  # type: ignore[no-any-return]


class Generator(nn.Module):
    """z → base × base → residual blocks, each doubling the side → norm, activation, 3 × 3 → image.

    A block's branch is norm, activation, nearest doubling, 3 × 3, norm, activation, 3 × 3; its shortcut a
    1 × 1 and the doubling (Gulrajani et al. 2017 and Miyato et al. 2018, appendices). The last block
    has `width` channels, those before it twice as many each, at most growth · width: width 128, growth 1 is
    Gulrajani's net for 32 pixels, width 256 Miyato's; width 64, growth 8 Gulrajani's 512-512-256-128-64 for
    64. Raises ValueError for sizes below 1 and for a shape that is no square image of side 4…7 · 2ⁿ, n ≥ 1.
    """

    def __init__(
        self,
        latent: int,
        shape: tuple[int, ...],
        pixel_range: PixelRange,
        width: int = 32,
        growth: int = 4,
        norm: Norm = "batch",
        activation: Activation = "relu",
    ):
        super().__init__()
        base, doublings = pyramid(shape)
        widths = channels(width, growth, doublings)[::-1]
        self.base = (widths[0], base, base)
        self.project = nn.Linear(latent, math.prod(self.base))
        # A BatchNorm ends the trunk: it and those of the branches remove whatever a bias adds to a channel.
        bias = norm != "batch"
        self.body = nn.Sequential(
            *(_doubling(*ends, norm, activation, bias) for ends in itertools.pairwise(widths)),
            *_ready(norm, activation, width),
            _conv(width, shape[0], 3, gain=1.0),
        )
        self.output = Output(pixel_range)
        _linear_init(self.project)

    def forward(self, z: Tensor) -> Tensor:
        return self.output(self.body(self.project(z).unflatten(1, self.base)))  # type: ignore[no-any-return]


class Critic(nn.Module):
    """image → residual blocks, halving the side down to twice the base → two more → pooled → one score.

    A block's branch is norm, activation, 3 × 3, norm, activation, 3 × 3, mean over 2 × 2; its shortcut that
    mean and a 1 × 1. The first block starts at its convolution and is not normalised, the last two keep side
    and channels (Gulrajani et al. 2017 and Miyato et al. 2018, appendices). The first block has
    `width` channels, and each halving doubles them, at most to growth · width: width 128, growth 1 is both
    papers' critic for 32 pixels. pool: Gulrajani's `mean` over the last plane or Miyato's `sum`. With norm
    `none` (the default, as gradient penalties need it) or `layer` the score of an example does not depend on
    the rest of its batch. Raises ValueError as Generator does.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: int = 32,
        growth: int = 4,
        norm: Norm = "none",
        activation: Activation = "relu",
        pool: Pool = "mean",
    ):
        super().__init__()
        _, halvings = pyramid(shape)
        widths = channels(width, growth, max(halvings - 2, 0))
        self.mean = pool == "mean"
        blocks = [_halving(shape[0], width, "none", activation, first=True)]
        blocks += [_halving(*ends, norm, activation) for ends in itertools.pairwise(widths)]
        blocks += [_level(widths[-1], norm, activation) for _ in range(2)]
        self.body = nn.Sequential(*blocks, *_ready("none", activation, widths[-1]))
        self.score = nn.Linear(widths[-1], 1)
        _linear_init(self.score)

    def forward(self, x: Tensor) -> Tensor:
        features = self.body(x).flatten(2)
        pooled = features.mean(2) if self.mean else features.sum(2)
        return self.score(pooled).squeeze(1)  # type: ignore[no-any-return]


def channels(width: int, growth: int, doublings: int) -> list[int]:
    """width, 2 · width, 4 · width, …, at most growth · width: doublings + 1 numbers.

    Raises ValueError for a width or growth below 1.
    """
    at_least_one(width=width, growth=growth)
    return [width * min(growth, 2**i) for i in range(doublings + 1)]


def _doubling(inputs: int, outputs: int, norm: Norm, name: Activation, bias: bool) -> nn.Module:
    branch = nn.Sequential(
        *_ready(norm, name, inputs),
        nn.Upsample(scale_factor=2),
        _conv(inputs, outputs, 3, bias=bias),
        *_ready(norm, name, outputs),
        _conv(outputs, outputs, 3, bias=bias),
    )
    # A 1 × 1 convolution commutes with the doubling, and is cheaper before it.
    return Residual(
        branch, nn.Sequential(_conv(inputs, outputs, 1, gain=1.0, bias=bias), nn.Upsample(scale_factor=2))
    )


def _halving(inputs: int, outputs: int, norm: Norm, name: Activation, first: bool = False) -> nn.Module:
    branch = nn.Sequential(
        *([] if first else _ready(norm, name, inputs)),
        _conv(inputs, outputs, 3, bias=norm != "batch"),  # BatchNorm removes a bias before it
        *_ready(norm, name, outputs),
        _conv(outputs, outputs, 3),
        nn.AvgPool2d(2),
    )
    return Residual(branch, nn.Sequential(nn.AvgPool2d(2), _conv(inputs, outputs, 1, gain=1.0)))


def _level(width: int, norm: Norm, name: Activation) -> nn.Module:
    branch = nn.Sequential(
        *_ready(norm, name, width),
        _conv(width, width, 3, bias=norm != "batch"),
        *_ready(norm, name, width),
        _conv(width, width, 3),
    )
    return Residual(branch, nn.Identity())


def _ready(norm: Norm, name: Activation, width: int) -> list[nn.Module]:
    """What stands before a convolution: normalisation and activation."""
    return [*normalisation(norm, width), activation(name)]


def _conv(inputs: int, outputs: int, kernel: int, gain: float = math.sqrt(2), bias: bool = True) -> nn.Module:
    """Glorot's uniform weights, by √2 larger in the branches (Miyato et al. 2018's code); biases 0."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=bias)
    nn.init.xavier_uniform_(conv.weight, gain)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def _linear_init(linear: nn.Linear) -> None:
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
