"""Pages of images with captions, for looking at."""

from __future__ import annotations

import io
from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from gan_cli.errors import InputError
from gan_cli.observers.canvas import to_pixels

_TILE = 64
"""Pixels that the side of a tile has at least, so that 8×8 digits can be looked at."""
_PADDING, _GAP, _LINE = 2, 14, 16
_MOST = 2**26
"""Pixels of a page: about 8000 × 8000."""
_PAPER, _INK = "white", "#333333"


def tiles(images: Tensor, pixel_range: tuple[float, float]) -> Tensor:
    """The images as uint8 RGB, small ones enlarged by a whole factor: [B, C, H, W] -> [B, H', W', 3]."""
    pixels = to_pixels(images, pixel_range)
    factor = max(1, _TILE // max(pixels.shape[1:3]))
    return pixels.repeat_interleave(factor, dim=1).repeat_interleave(factor, dim=2)


def refuse_huge(count: int, shape: tuple[int, ...], asked: str, instead: str) -> None:
    """Raise InputError where so many images of that shape make a page that nobody can open."""
    side = max(_TILE, *shape[-2:]) + _PADDING
    if count * side**2 > _MOST:
        most = _MOST // side**2
        raise InputError(f"{asked}: a page holds {most} images of this size, and this is {count}: {instead}")


def page(
    tiles: Tensor, columns: int, captions: Sequence[str] = (), gaps: Sequence[int] = (), across: bool = True
) -> Image.Image:
    """Tiles [B, H, W, 3] row by row, each with its caption below, if there are any.

    gaps: the columns (across) or rows after which there is a wider space.
    """
    count, height, width, _ = tiles.shape
    font, line = ImageFont.load_default(11), _LINE if captions else 0
    rows = -(-count // columns)

    def offset(index: int, side: int, wide: bool) -> int:
        return _PADDING + index * (side + _PADDING) + (_GAP * sum(gap < index for gap in gaps) if wide else 0)

    size = (
        offset(columns, width, across) - (_GAP if across and columns - 1 in gaps else 0),
        offset(rows, height + line, not across),
    )
    paper = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(paper)
    for index, tile in enumerate(tiles):
        top, left = (
            offset(index // columns, height + line, not across),
            offset(index % columns, width, across),
        )
        paper.paste(Image.fromarray(tile.numpy()), (left, top))
        if index < len(captions):
            place = (left + width / 2, top + height + 1)
            pen.text(place, captions[index], fill=_INK, font=font, anchor="ma")
    return paper


def beside(parts: Sequence[Image.Image | str], title: str = "") -> Image.Image:
    """Pages and signs such as + from left to right, all in the middle, under a title."""
    font, small = ImageFont.load_default(28), ImageFont.load_default(13)
    head = _LINE + 6 if title else 0
    widths = [3 * _GAP if isinstance(part, str) else part.width for part in parts]
    height = max(part.height for part in parts if not isinstance(part, str)) + head
    needed = round(small.getlength(title)) + 2 * _PADDING
    paper = Image.new("RGB", (max(sum(widths), needed), height), _PAPER)
    pen, left = ImageDraw.Draw(paper), 0
    for part, width in zip(parts, widths, strict=True):
        if isinstance(part, str):
            pen.text((left + width / 2, (height + head) / 2), part, fill=_INK, font=font, anchor="mm")
        else:
            paper.paste(part, (left, head + (height - head - part.height) // 2))
        left += width
    pen.text((2 * _PADDING, _PADDING), title, fill=_INK, font=small)
    return paper


def png(paper: Image.Image) -> bytes:
    """The page as a PNG; the same page is the same bytes."""
    buffer = io.BytesIO()
    paper.save(buffer, format="PNG")
    return buffer.getvalue()


def levels(images: Tensor, pixel_range: tuple[float, float]) -> Tensor:
    """The images in 256 levels with their own channels last: float [B, C, H, W] -> uint8 [B, H, W, C]."""
    low, high = pixel_range
    scaled = ((images.float() - low) / (high - low)).nan_to_num(0.0).clamp(0, 1)
    return (scaled * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
