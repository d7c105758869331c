"""A plot as an array of pixels: fields, points, curves, ticks and words, without a plotting library.

A run draws one every few hundred rounds, and a round of small networks takes a millisecond: a library that
lays out a figure of any kind takes as long as a hundred of them, and holds Python's lock meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from gan_cli.observers import png
from gan_cli.observers.recorder import Picture

Array = NDArray[np.floating]
INK, LINE = "#444444", "#999999"
_ALPHA = 0.85
_LEVELS = 40
"""Steps of colour: of ln p/q within ±5 a quarter each, so that equal ones show as contours."""
_RDBU = "67001f b2182b d6604d f4a582 fddbc7 f7f7f7 d1e5f0 92c5de 4393c3 2166ac 053061"  # colorbrewer2.org


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels, its first row at the top, and the part of the plane that it shows."""

    left: int
    top: int
    width: int
    height: int
    x: tuple[float, float]
    y: tuple[float, float]

    def columns(self, x: Array) -> Array:
        """Horizontal positions in pixels from the left edge."""
        return (x - self.x[0]) / (self.x[1] - self.x[0]) * self.width

    def rows(self, y: Array) -> Array:
        """Vertical positions in pixels from the top edge."""
        return (self.y[1] - y) / (self.y[1] - self.y[0]) * self.height


class Page:
    """A white page of width × height pixels, on which each thing covers what was drawn before."""

    def __init__(self, width: int, height: int) -> None:
        self._pixels = np.full((height, width, 3), 255, np.uint8)
        self._words: list[tuple[tuple[float, float], str, str, str, int]] = []
        self._frames: list[tuple[Box, str]] = []

    def field(self, box: Box, values: Array, limits: tuple[float, float]) -> None:
        """Values [rows, columns], the first row lowest, interpolated and coloured between limits."""
        low, high = limits
        level = np.nan_to_num((values[::-1] - low) / (high - low) * _LEVELS, nan=_LEVELS / 2)
        image = Image.fromarray(level.clip(0, _LEVELS - 1).astype(np.float32))
        smooth = np.asarray(image.resize((box.width, box.height), Image.Resampling.BILINEAR))
        self._area(box)[:] = _colours()[smooth.astype(np.uint8)]

    def points(self, box: Box, x: Array, colour: str, radius: float) -> None:
        """A disc at each point [N, 2], and a thin white edge around those that overlap; radius in pixels."""
        outer = radius + 0.25
        with np.errstate(over="ignore", invalid="ignore"):
            across, down = box.columns(x[:, 0]).astype(np.float32), box.rows(x[:, 1]).astype(np.float32)
            seen = (np.abs(across * 2 - box.width) < box.width) & (np.abs(down * 2 - box.height) < box.height)
        across, down = across[seen], down[seen]
        reach = np.arange(-math.ceil(outer), math.ceil(outer) + 1)
        columns = np.floor(across).astype(np.int64)[:, None, None] + reach
        rows = np.floor(down).astype(np.int64)[:, None, None] + reach[:, None]
        squared = (columns + 0.5 - across[:, None, None]) ** 2 + (rows + 0.5 - down[:, None, None]) ** 2
        near = squared < (outer + 0.5) ** 2
        near &= (columns >= 0) & (columns < box.width) & (rows >= 0) & (rows < box.height)
        number, row, column = np.nonzero(near)
        flat = rows[number, row, 0] * box.width + columns[number, 0, column]
        nearest = np.full(box.width * box.height, np.inf, squared.dtype)
        np.minimum.at(nearest, flat, squared[near])
        on_top = squared[near] == nearest[flat]
        distance = np.sqrt(squared[near][on_top])
        area, at = self._area(box), np.divmod(flat[on_top], box.width)
        below = area[at].astype(np.float32)
        for reached, shade in ((outer, "white"), (radius - 0.25, colour)):
            below += (_rgb(shade) - below) * (_ALPHA * (reached + 0.5 - distance).clip(0, 1))[:, None]
        area[at] = below.round().astype(np.uint8)

    def curve(self, box: Box, y: Array, colour: str, width: float = 1.5) -> None:
        """The graph of y, one value a column of pixels: [box.width]; no value, no line."""
        middle = box.rows(y)
        distance = np.abs(np.arange(box.height)[:, None] + 0.5 - middle) / np.hypot(1, np.gradient(middle))
        self._paint(box, np.nan_to_num((width / 2 + 0.5 - distance).clip(0, 1)), colour)

    def fill(self, box: Box, y: Array, colour: str, alpha: float) -> None:
        """The area from the lower edge up to y, one value a column of pixels: [box.width]."""
        self._paint(box, alpha * (np.arange(1, box.height + 1)[:, None] - box.rows(y)).clip(0, 1), colour)

    def frame(self, box: Box, x_ticks: bool = True, right: bool = False) -> None:
        """A thin frame with ticks and their numbers on the left, or on the right, and below if so asked."""
        self._frames.append((box, LINE))
        side = box.left + box.width if right else box.left
        for value in ticks(*box.y):
            row = box.top + float(box.rows(np.asarray(value)))
            self.text(side + (6 if right else -6), row, f"{value:g}", "lm" if right else "rm", 10)
        for value in ticks(*box.x) if x_ticks else ():
            column = box.left + float(box.columns(np.asarray(value)))
            self.text(column, box.top + box.height + 6, f"{value:g}", "ma", 10)

    def text(
        self, x: float, y: float, words: str, anchor: str = "lm", size: int = 12, colour: str = INK
    ) -> None:
        """Words at a place by Pillow's anchors; "v" before the anchor writes them from below upwards."""
        self._words.append(((x, y), words, anchor, colour, size))

    def key(self, right: int, middle: int, entries: Sequence[tuple[str, str]]) -> None:
        """A line of coloured discs and their names (colour, name), ending at `right`."""
        for colour, name in reversed(entries):
            self.text(right, middle, name, "rm", 11)
            right -= round(_font(11).getlength(name)) + 9
            spot = Box(right - 6, middle - 6, 12, 12, (0, 1), (0, 1))
            self.points(spot, np.array([[0.5, 0.5]]), colour, 3.5)
            right -= 16

    def png(self) -> Picture:
        """The page as PNG: the same page is the same bytes."""
        image = Image.fromarray(self._pixels)
        pen = ImageDraw.Draw(image)
        for box, colour in self._frames:
            pen.rectangle(
                (box.left - 1, box.top - 1, box.left + box.width, box.top + box.height), outline=colour
            )
        for (x, y), words, anchor, ink, size in self._words:
            if anchor.startswith("v"):
                strip = Image.new("L", (round(_font(size).getlength(words)) + 2, size + 6))
                ImageDraw.Draw(strip).text((0, strip.height / 2), words, 255, _font(size), "lm")
                up = strip.transpose(Image.Transpose.ROTATE_90)
                image.paste(ink, (round(x), round(y - up.height / 2)), up)
            else:
                pen.text((x, y), words, ink, _font(size), anchor)
        return Picture(png.encode(np.asarray(image)), image.width, image.height)

    def _area(self, box: Box) -> NDArray[np.uint8]:
        return self._pixels[box.top : box.top + box.height, box.left : box.left + box.width]

    def _paint(self, box: Box, cover: Array, colour: str) -> None:
        area = self._area(box)
        area[:] = (area + (_rgb(colour) - area) * cover[..., None].astype(np.float32)).round()


def ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Round numbers from low to high, at most so many: steps are 1, 2 or 5 times a power of ten.

    >>> ticks(-2.6, 2.6)
    [-2.0, -1.0, 0.0, 1.0, 2.0]
    """
    least = (high - low) / most
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)
    numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [float(f"{number * step:.6g}") for number in numbers]


@cache
def _colours() -> NDArray[np.uint8]:
    """Red over white to blue in as many steps as can be told apart: [_LEVELS, 3]."""
    anchors = np.array([_rgb(f"#{code}") for code in _RDBU.split()])
    at = np.linspace(0, 10, _LEVELS)
    full = np.stack([np.interp(at, np.arange(11), channel) for channel in anchors.T], 1)
    return (255 + (full - 255) * _ALPHA).round().astype(np.uint8)


@cache
def _rgb(colour: str) -> NDArray[np.float32]:
    return np.array(ImageColor.getrgb(colour)[:3], np.float32)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)  # type: ignore[return-value]  # Pillow's wheels have FreeType
