"""From an image of any size and mode to uint8 of the size and channels that were asked for."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Fit = Literal["crop", "squash"]
Pixels = NDArray[np.uint8]


def to_pixels(image: Image.Image, size: int, channels: int, fit: Fit = "crop") -> Pixels:
    """`image` as uint8 [C, size, size]: its central square, or all of it squashed, resized bilinearly.

    Cameras' orientation tags are obeyed, transparency becomes white, of 16-bit grey the upper byte is kept.
    """
    # Where a JPEG is more than twice too large, its decoder can shrink it for next to nothing.
    image.draft(None, (2 * size, 2 * size))
    ImageOps.exif_transpose(image, in_place=True)
    image = _plain(image).convert("L" if channels == 1 else "RGB")
    if image.size != (size, size):
        width, height = image.size
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side) if fit == "crop" else (0, 0, width, height)
        image = image.resize((size, size), Image.Resampling.BILINEAR, box=box)
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _plain(image: Image.Image) -> Image.Image:
    """The image without what `convert` would lose: transparency and more than 8 bits."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        colour = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), colour)
    return image


def from_grey(images: Pixels, size: int, channels: int) -> Pixels:
    """Grey images [N, h, w] as [N, channels, size, size]."""
    if images.shape[1:] == (size, size):
        stacked = images[:, None]
    else:
        stacked = np.stack([to_pixels(Image.fromarray(image), size, 1, "squash") for image in images])
    return np.ascontiguousarray(np.repeat(stacked, channels, axis=1)) if channels > 1 else stacked
