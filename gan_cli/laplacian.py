"""The Laplacian pyramid of an image: what it is when it is small, and what each doubling adds."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor

COARSEST = 8
"""The side at which a pyramid ends, in pixels."""


def sides(side: int) -> tuple[int, ...]:
    """The sides of a pyramid's levels from the coarsest: each half the next, but not below 8.

    >>> sides(32), sides(28), sides(20), sides(8)
    ((8, 16, 32), (8, 14, 28), (8, 10, 20), (8,))
    """
    found = [side]
    while found[-1] > COARSEST:
        found.append(max(found[-1] // 2, COARSEST))
    return tuple(reversed(found))


def down(x: Tensor, side: int) -> Tensor:
    """Means over pixels: [B, C, S, S] -> [B, C, side, side]."""
    return F.adaptive_avg_pool2d(x, side)


def up(x: Tensor, side: int) -> Tensor:
    """Bilinear interpolation: [B, C, S, S] -> [B, C, side, side]."""
    return F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)


def analysed(x: Tensor, levels: tuple[int, ...]) -> list[Tensor]:
    """The Laplacian pyramid of images, the coarsest first: I_K, then h_k = I_k − u(I_{k+1}) with I_{k+1} =
    d(I_k) (Denton et al. 2015, equation 3); each [B, C, side, side]."""
    images = [x]
    for side in reversed(levels[:-1]):
        images.append(down(images[-1], side))
    images.reverse()
    return [images[0], *(fine - up(coarse, fine.shape[-1]) for coarse, fine in pairwise(images))]


def synthesised(pyramid: list[Tensor]) -> Tensor:
    """I_k = u(I_{k+1}) + h_k up to the finest, the inverse of `analysed` (equation 4)."""
    image = pyramid[0]
    for residual in pyramid[1:]:
        image = up(image, residual.shape[-1]) + residual
    return image
