"""Sample grids made small enough to travel inside one page."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

_MIME = {"PNG": "image/png", "JPEG": "image/jpeg"}
_QUALITY = 85
_LEAST_SIDE, _MOST_SIDE = 128, 1024
_SHRINK = 0.75


@dataclass(frozen=True)
class Embedded:
    """An image as a data address, and its size in pixels."""

    address: str
    width: int
    height: int


def embed(paths: Sequence[Path | None], budget: int = 9_000_000) -> list[Embedded | None]:
    """The images, all together of about `budget` bytes before they are coded as text; None for those that
    cannot be read.

    A file that is small enough is taken as it is, a larger one shrunk until it is.
    """
    most = budget // max(1, sum(path is not None for path in paths))
    return [None if path is None else _embedded(path, most) for path in paths]


def _embedded(path: Path, most: int) -> Embedded | None:
    try:
        raw = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(raw)) as image:
                image.load()
                if image.format in _MIME and len(raw) <= most and max(image.size) <= _MOST_SIDE:
                    return _address(raw, _MIME[image.format], image.size)
                return _shrunk(_opaque(image), most)
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError):
        return None


def _opaque(image: Image.Image) -> Image.Image:
    """On white where it is transparent."""
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    clear = image.convert("RGBA")
    page = Image.new("RGBA", clear.size, "white")
    return Image.alpha_composite(page, clear).convert("RGB")


def _shrunk(image: Image.Image, most: int) -> Embedded:
    side = min(_MOST_SIDE, max(image.size))
    while True:
        small = image.copy()
        small.thumbnail((side, side), Image.Resampling.BOX)
        out = io.BytesIO()
        small.save(out, format="JPEG", quality=_QUALITY)
        if out.tell() <= most or side <= _LEAST_SIDE:
            return _address(out.getvalue(), _MIME["JPEG"], small.size)
        # The bytes go about with the area: one guess is mostly enough.
        side = max(_LEAST_SIDE, int(side * min(_SHRINK, (most / out.tell()) ** 0.5)))


def _address(raw: bytes, mime: str, size: tuple[int, int]) -> Embedded:
    return Embedded(f"data:{mime};base64,{base64.b64encode(raw).decode()}", *size)
