"""Multilayer perceptrons for points and flattened images."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor, nn

from gan_cli.checks import at_least_one
from gan_cli.models.base import Activation, Output, PixelRange, orthogonal_init, perceptron
from gan_cli.models.conditional import Condition, Told

Init = Literal["default", "orthogonal"]


class Generator(nn.Module):
    """z → depth × (Linear, activation) → Linear → the data's shape and range.

    init: `default` is PyTorch's, `orthogonal` scales by gain (the unrolled GAN's ring: 2 × 128 ReLU, 0.8;
    Metz et al. 2017, appendix B). Raises ValueError for sizes below 1.
    """

    def __init__(
        self,
        latent: int,
        shape: tuple[int, ...],
        pixel_range: PixelRange,
        width: int = 128,
        depth: int = 2,
        activation: Activation = "relu",
        init: Init = "default",
        gain: float = 1.0,
    ):
        super().__init__()
        self.shape = tuple(shape)
        self.body = _perceptron(latent, width, depth, math.prod(shape), activation, init, gain)
        self.output = Output(pixel_range)

    def forward(self, z: Tensor) -> Tensor:
        return self.output(self.body(z)).unflatten(1, self.shape)  # type: ignore[no-any-return]


class Critic(nn.Module):
    """x · scale → depth × (Linear, activation) → one score an example.

    scale brings far-off points into range (the unrolled GAN's ring divides by 4). With classes it takes
    labels, too: see `Told`. Raises ValueError for sizes below 1.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: int = 128,
        depth: int = 2,
        activation: Activation = "relu",
        init: Init = "default",
        gain: float = 1.0,
        scale: float = 1.0,
        classes: int = 0,
        condition: Condition = "concat",
    ):
        super().__init__()
        self.scale = scale
        self.told = Told(classes, condition, width)
        size = math.prod(shape) + self.told.planes
        self.body = _perceptron(size, width, depth, 1, activation, init, gain)

    def forward(self, x: Tensor, *label: Tensor) -> Tensor:
        x = x.flatten(1)
        score: Tensor = self.told(self.body, x if self.scale == 1.0 else x * self.scale, *label)
        return score


def _perceptron(
    size: int, width: int, depth: int, out: int, kind: Activation, init: Init, gain: float
) -> nn.Sequential:
    at_least_one(width=width, depth=depth)
    net = perceptron([size, *[width] * depth, out], kind)
    if init == "orthogonal":
        orthogonal_init(net, gain)
    return net
