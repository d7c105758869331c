"""Images laid out in a grid, as PNG."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_cli.observers import png
from gan_cli.observers.recorder import Picture

_TILE = 64
"""Pixels that the side of a tile has at least, so that 8×8 digits can be looked at."""
_PADDING = 2
_BACKGROUND = 255


def grid_side(shape: tuple[int, ...]) -> int:
    """Tiles on a side of a square grid: 8, or as many images of `shape` as 1200 pixels hold, but 2."""
    return max(2, min(8, 1200 // max(shape[-2:])))


def to_pixels(images: Tensor, pixel_range: tuple[float, float]) -> Tensor:
    """Floats of `pixel_range` as uint8 RGB: [B, C, H, W] -> [B, H, W, 3].

    One channel becomes grey, two red and green, more than three lose the rest. What lies outside the range is
    clipped; NaN is black.

    >>> to_pixels(torch.tensor([-1.0, 0.0, 1.0, 2.0]).reshape(1, 1, 2, 2), (-1.0, 1.0))[0, :, :, 0]
    tensor([[  0, 128],
            [255, 255]], dtype=torch.uint8)
    """
    low, high = pixel_range
    scaled = ((images.float() - low) / (high - low)).nan_to_num(0.0).clamp(0, 1)
    channels = scaled.shape[1]
    if channels == 1:
        scaled = scaled.expand(-1, 3, -1, -1)
    elif channels == 2:
        scaled = torch.cat([scaled, torch.zeros_like(scaled[:, :1])], dim=1)
    return (scaled[:, :3] * 255).round().byte().permute(0, 2, 3, 1).cpu()


def image_grid(images: Tensor, columns: int, pixel_range: tuple[float, float]) -> Picture:
    """The images [B, C, H, W] row by row, small ones enlarged by a whole factor without smoothing."""
    pixels = to_pixels(images, pixel_range)
    factor = max(1, _TILE // max(pixels.shape[1:3]))
    pixels = pixels.repeat_interleave(factor, dim=1).repeat_interleave(factor, dim=2)
    count, height, width, _ = pixels.shape
    rows = -(-count // columns)
    page = torch.full(
        (rows * (height + _PADDING) + _PADDING, columns * (width + _PADDING) + _PADDING, 3),
        _BACKGROUND,
        dtype=torch.uint8,
    )
    for index, tile in enumerate(pixels):
        top = _PADDING + index // columns * (height + _PADDING)
        left = _PADDING + index % columns * (width + _PADDING)
        page[top : top + height, left : left + width] = tile
    return Picture(png.encode(page.numpy()), page.shape[1], page.shape[0])
