"""R3GAN's networks for square images: residual blocks without any normalisation."""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_cli.checks import at_least_one, require
from gan_cli.models.base import Output, PixelRange
from gan_cli.models.dcgan import pyramid
from gan_cli.models.resnet import Residual, channels

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)

_SLOPE = 0.2
_GAIN = math.sqrt(2 / (1 + _SLOPE**2))  # keeps the variance through LeakyReLU (He et al. 2015, section 2.2)


class Generator(nn.Module):
    """z → W z ⊙ a learnt base × base plane → stages of blocks → 1 × 1 → image (Huang et al. 2024, §3).

    A stage is a 1 × 1 where the channels change, bilinear doubling (not in the first), and `blocks` times
    x + conv1×1(φ(conv3×3(φ(conv1×1(x))))), φ a bias and LeakyReLU 0.2, inside with `expansion` times the
    channels, the 3 × 3 in groups of `group` channels. Nothing is normalised; Fixup's initialisation does
    instead (Zhang et al. 2019, section 3): of the m = 3 layers of a branch the last is 0, the others are He's
    times L^(−1/(2m−2)) in a net of L blocks, so at the start every block is the identity.

    The last stage has `width` channels, those before it twice as many each, at most growth · width: the
    paper's are width 768, growth 1 for CIFAR-10, and width 384, growth 2 for 64 pixels. The paper's image is
    what the last 1 × 1 gives; here it is mapped onto the data's range. Raises ValueError for sizes below 1,
    for a group that does not divide the channels, and for a shape that is no square image of side 4…7 · 2ⁿ,
    n ≥ 1.
    """

    def __init__(
        self,
        latent: int,
        shape: tuple[int, ...],
        pixel_range: PixelRange,
        width: int = 32,
        growth: int = 4,
        blocks: int = 2,
        expansion: int = 2,
        group: int = 16,
    ):
        super().__init__()
        base, doublings = pyramid(shape)
        widths = channels(width, growth, doublings)[::-1]
        block = _blocks(width, blocks, expansion, group, doublings)
        self.plane = nn.Parameter(torch.randn(widths[0], base, base))
        self.project = _he(nn.Linear(latent, widths[0], bias=False))
        layers: list[nn.Module] = [block(widths[0])]
        for inputs, outputs in itertools.pairwise(widths):
            layers += [*_change(inputs, outputs), Double(), block(outputs)]
        self.body = nn.Sequential(*layers, _conv(width, shape[0]))
        self.output = Output(pixel_range)

    def forward(self, z: Tensor) -> Tensor:
        weights = self.project(z)[:, :, None, None]
        return self.output(self.body(weights * self.plane))  # type: ignore[no-any-return]


class Critic(nn.Module):
    """image → 1 × 1 → stages of blocks → each channel weighted and summed → score (Huang et al. 2024, §3).

    Generator's mirror image: a stage is `blocks` blocks, then (not in the last) halving by [1, 3, 3, 1]/8 a
    side and a 1 × 1 where the channels change. The first stage has `width` channels. A depthwise convolution
    as large as the last plane sums it. An example's score does not depend on the rest of its batch; it has no
    bias of its own, which a loss of pairs would not see. Raises ValueError as Generator does.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: int = 32,
        growth: int = 4,
        blocks: int = 2,
        expansion: int = 2,
        group: int = 16,
    ):
        super().__init__()
        base, halvings = pyramid(shape)
        widths = channels(width, growth, halvings)
        block = _blocks(width, blocks, expansion, group, halvings)
        layers: list[nn.Module] = [_conv(shape[0], width), block(width)]
        for inputs, outputs in itertools.pairwise(widths):
            layers += [Halve(), *_change(inputs, outputs), block(outputs)]
        last = widths[-1]
        collapse = _he(nn.Conv2d(last, last, base, groups=last, bias=False))
        self.body = nn.Sequential(*layers, collapse, nn.Flatten())
        self.score = _he(nn.Linear(last, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.score(self.body(x)).squeeze(1)  # type: ignore[no-any-return]


class Double(nn.Module):
    """Bilinear doubling of the side, [B, C, S, S] → [B, C, 2S, 2S]: U x Uᵀ with weights 3/4 and 1/4.

    Values stand at the centres of pixels, and the border is repeated outwards. As a product of matrices it is
    several times faster on a CPU than torch's interpolation, and so are its derivatives of every order.
    """

    def forward(self, x: Tensor) -> Tensor:
        u = _doubling(x.shape[-1], x)
        return u.mT @ x @ u


class Halve(nn.Module):
    """Halving of the side by [1, 3, 3, 1]/8, [B, C, S, S] → [B, C, S/2, S/2]: ¼ of Double's adjoint.

    The filter sees the outermost pixels repeated, so a constant stays what it is.
    """

    def forward(self, x: Tensor) -> Tensor:
        u = _doubling(x.shape[-1] // 2, x) / 2
        return u @ x @ u.mT


def _doubling(side: int, like: Tensor) -> Tensor:
    """Uᵀ [S, 2S]: row i is what the i-th unit vector becomes."""
    unit = torch.eye(side, dtype=like.dtype, device=like.device)
    return F.interpolate(unit[None], scale_factor=2.0, mode="linear")[0]


def _blocks(width: int, blocks: int, expansion: int, group: int, doublings: int) -> partial[nn.Sequential]:
    """A stage's blocks as a function of its channels, all checked before any is made."""
    at_least_one(blocks=blocks, expansion=expansion, group=group)
    inner = width * expansion  # the narrowest stage's; the others' are multiples
    require(inner % group == 0, "group", f"a divisor of width · expansion = {inner}", group)
    scale = (blocks * (doublings + 1)) ** -0.25  # L^(−1/(2m−2)), m = 3
    return partial(_stage, blocks=blocks, expansion=expansion, group=group, gain=_GAIN * scale)


def _stage(width: int, blocks: int, expansion: int, group: int, gain: float) -> nn.Sequential:
    return nn.Sequential(*(_block(width, width * expansion, group, gain) for _ in range(blocks)))


def _block(width: int, inner: int, group: int, gain: float) -> nn.Module:
    branch = nn.Sequential(
        _he(nn.Conv2d(width, inner, 1), gain),
        nn.LeakyReLU(_SLOPE),
        _he(nn.Conv2d(inner, inner, 3, padding=1, groups=inner // group), gain),
        nn.LeakyReLU(_SLOPE),
        _he(nn.Conv2d(inner, width, 1, bias=False), 0.0),
    )
    return Residual(branch, nn.Identity())


def _change(inputs: int, outputs: int) -> list[nn.Module]:
    return [] if inputs == outputs else [_conv(inputs, outputs)]


def _conv(inputs: int, outputs: int) -> nn.Module:
    return _he(nn.Conv2d(inputs, outputs, 1, bias=False))


def _he(layer: Layer, gain: float = 1.0) -> Layer:
    """Weights N(0, gain²/fan-in), biases 0."""
    fan_in = layer.weight[0].numel()
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(fan_in))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
