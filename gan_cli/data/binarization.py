"""Grey images as black and white ones: by a threshold, drawn once, or drawn again whenever they are fed."""

from __future__ import annotations

from hashlib import shake_128
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from gan_cli.data.pixels import Pixels
from gan_cli.errors import nearest

Binarize = Literal["none", "threshold", "stochastic", "fixed"]
WORDS: tuple[str, ...] = get_args(Binarize)
_WHITE, _HALF = 255, 128


def check_binarize(word: object, seed: object) -> None:
    """Raise ValueError unless these are one of the words and a whole number of 64 bits."""
    if word not in WORDS:
        near = nearest(str(word), WORDS)
        raise ValueError(f"binarize must be one of {', '.join(WORDS)}, got {word!r}{near}")
    if not isinstance(seed, int) or not 0 <= seed < 1 << 64:
        raise ValueError(f"binarize_seed must be a whole number of at least 0, got {seed!r}")


def thresholded(images: Pixels) -> Pixels:
    """255 where a pixel is at least 128, else 0: uint8 [...] -> the same shape.

    >>> thresholded(np.array([0, 127, 128, 255], dtype=np.uint8)).tolist()
    [0, 0, 255, 255]
    """
    return (images >= _HALF) * np.uint8(_WHITE)


def drawn_once(image: Pixels, seed: int) -> Pixels:
    """One draw of each pixel, 255 with probability raw/255, else 0: uint8 [C, H, W] -> the same shape.

    A function of the seed and the image's own pixels alone: SHAKE128 of both gives a 16-bit number u for each
    pixel, which is white where 255·u < 2¹⁶·raw. The probability is met within 2⁻¹⁶; 0 and 255 stay.
    """
    numbers = shake_128(seed.to_bytes(8, "little") + image.tobytes()).digest(2 * image.size)
    u = np.frombuffer(numbers, "<u2").reshape(image.shape).astype(np.uint32)
    return (u * _WHITE < image.astype(np.uint32) << 16) * np.uint8(_WHITE)


def drawn_again(raw: Tensor, generator: torch.Generator, rows: slice, of: int) -> Tensor:
    """A new draw of each pixel, 255 with probability raw/255, else 0: uint8 [b, …] -> the same shape.

    raw: the rows `rows` of a batch of `of`, on the generator's device; the numbers are drawn for the whole
    batch, so that whoever holds a part of it sees what one sees who holds it all.
    """
    # u < raw for a whole u in 0 … 254 has probability raw/255; 0 and 255 stay.
    shape, device = (of, *raw.shape[1:]), raw.device
    u = torch.randint(_WHITE, shape, generator=generator, device=device, dtype=raw.dtype)
    return (u[rows] < raw).to(raw.dtype) * _WHITE
