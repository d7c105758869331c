"""Differentiable augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from gan_cli.checks import fraction, nonnegative, one_of, require
from gan_cli.errors import InputError

Kind = Literal["color", "translation", "cutout"]


class Draws(NamedTuple):
    """For each image: colour in [−1, 1], [B, 3]; shift, in pixels, and the hole's first pixel, [B, 2]."""

    color: Tensor
    shift: Tensor
    hole: Tensor


@dataclass(frozen=True)
class DiffAugment:
    """Random colours, shifts and holes for all that the critic sees (Zhao et al. 2020, section 3).

    In the order of `policy`, for each image on its own, with u uniform in [−1, 1]:
    - color: x + brightness·u, then (x − m)(1 + saturation·u) + m with m the mean over channels, then the same
      with contrast and the mean over the image;
    - translation: by whole pixels, up to that share of either side, zeros moving in;
    - cutout: a hole of zeros, that share of either side long, whose centre is uniform over the image.

    Defaults are the paper's for pixels in [−1, 1], where 0 is grey. Samples and evaluation never see it.
    brightness, saturation, contrast ≥ 0, translation and cutout in [0, 1). Raises ValueError otherwise, and
    InputError for examples that are no images.
    """

    policy: Sequence[Kind] = ("color", "translation", "cutout")
    brightness: float = 0.5
    saturation: float = 1.0
    contrast: float = 0.5
    translation: float = 0.125
    cutout: float = 0.5

    structural: ClassVar[tuple[str, ...]] = ("translation", "cutout")  # they become whole pixels

    def __post_init__(self) -> None:
        for kind in self.policy:
            one_of("policy", kind, get_args(Kind))
        require(len(set(self.policy)) == len(self.policy), "policy", "without repetition", list(self.policy))
        nonnegative(brightness=self.brightness, saturation=self.saturation, contrast=self.contrast)
        fraction(translation=self.translation, cutout=self.cutout)

    def draw(self, generator: torch.Generator, x: torch.Size, dtype: torch.dtype) -> Draws:
        if len(x) != 4:
            raise InputError(f"trick.diffaugment: it is for images [C, H, W], got examples {list(x[1:])}")
        device = generator.device

        def whole(low: int, high: int) -> Tensor:
            return torch.randint(low, high + 1, x[:1], generator=generator, device=device)

        color = 2 * torch.rand(x[0], 3, generator=generator, dtype=dtype, device=device) - 1
        shift, hole = [], []
        for side in x[2:]:
            far, long = _pixels(side, self.translation), _pixels(side, self.cutout)
            shift.append(whole(-far, far))
            # The centre, between two pixels where the hole is even, may lie on the border.
            hole.append(whole(0, side - long % 2) - long // 2)
        return Draws(color, torch.stack(shift, 1), torch.stack(hole, 1))

    def apply(self, x: Tensor, noise: Draws, step: Tensor) -> Tensor:
        kinds = {"color": self._colored, "translation": self._shifted, "cutout": self._cut}
        for kind in self.policy:
            x = kinds[kind](x, noise)
        return x

    def _colored(self, x: Tensor, noise: Draws) -> Tensor:
        brightness, saturation, contrast = noise.color[..., None, None, None].unbind(1)
        x = x + self.brightness * brightness
        mean = x.mean(1, keepdim=True)
        x = mean + (x - mean) * (1 + self.saturation * saturation)
        mean = x.mean((1, 2, 3), keepdim=True)
        return mean + (x - mean) * (1 + self.contrast * contrast)

    def _shifted(self, x: Tensor, noise: Draws) -> Tensor:
        rows, columns = noise.shift.unbind(1)
        return _moved(_moved(x, rows, 2), columns, 3)

    def _cut(self, x: Tensor, noise: Draws) -> Tensor:
        rows, columns = (
            _within(x.shape[dim], first, _pixels(x.shape[dim], self.cutout))
            for dim, first in zip((2, 3), noise.hole.unbind(1), strict=True)
        )
        return torch.where(rows[:, None, :, None] & columns[:, None, None, :], 0.0, x)


def _pixels(side: int, share: float) -> int:
    """That share of a side in whole pixels, halves up."""
    return int(side * share + 0.5)


def _moved(x: Tensor, by: Tensor, dim: int) -> Tensor:
    """Each image of [B, C, H, W] moved by its own number of pixels along 2 or 3, zeros moving in."""
    shape = [len(x), 1, 1, 1]
    shape[dim] = x.shape[dim]
    source = torch.arange(x.shape[dim], device=x.device) - by[:, None]
    inside = (source >= 0) & (source < x.shape[dim])
    moved = x.gather(dim, source.clamp(0, x.shape[dim] - 1).view(shape).expand_as(x))
    return torch.where(inside.view(shape), moved, 0.0)


def _within(side: int, first: Tensor, long: int) -> Tensor:
    """Which of a side's pixels lie in [first, first + long), [B, side]."""
    pixel = torch.arange(side, device=first.device) - first[:, None]
    return (pixel >= 0) & (pixel < long)
