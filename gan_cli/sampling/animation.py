"""A run's saved pictures one after the other, as a GIF or WebP. Imports no torch."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

from gan_cli.errors import InputError, nearest

FOLDER = "samples"
LEAST_MS, LAST = 20, 5
"""Milliseconds that viewers show a frame at least, and how many frames long the last one stands."""
_NUMBERED = re.compile(r"(.+)_(\d{6,})\.png")
_LINE = 18


def saved(run: Path, name: str) -> list[tuple[int, Path]]:
    """The steps and files of the pictures of that name, in order. Raises InputError where there are none."""
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in (run / FOLDER).glob("*.png"):
        if match := _NUMBERED.fullmatch(path.name):
            found.setdefault(match[1], []).append((int(match[2]), path))
    if name not in found:
        if not found:
            raise InputError(
                f"{run / FOLDER} holds no pictures of steps: the run had sample_every=0, or none yet"
            )
        raise InputError(
            f"frames={name}: {run / FOLDER} holds no such pictures{nearest(name, found)}; "
            f"there are {', '.join(sorted(found))}"
        )
    return sorted(found[name])


def thinned(frames: list[tuple[int, Path]], most: int | None) -> list[tuple[int, Path]]:
    """At most so many of the frames, evenly spread, the first and the last among them.

    >>> [step for step, _ in thinned([(step, Path()) for step in range(11)], 3)]
    [0, 5, 10]
    """
    if most is None or len(frames) <= most:
        return frames
    if most == 1:
        return frames[-1:]
    return [frames[round(i * (len(frames) - 1) / (most - 1))] for i in range(most)]


def animation(
    frames: list[tuple[int, Path]], kind: Literal["gif", "webp"], frame_ms: int, numbered: bool
) -> bytes:
    """The frames as one file that runs for ever; the last stands five times as long.

    numbered: write the step below each. One frame at a time is held in memory. Raises InputError where a
    picture cannot be read or has another size than the first.
    """
    pages = _pages(frames, numbered)
    first, buffer = next(pages), io.BytesIO()
    durations = [frame_ms] * (len(frames) - 1) + [LAST * frame_ms]
    # WebP's lossless mode keeps the edges of pixels; a GIF's 256 colours hold a grey grid exactly.
    extra = {"lossless": True, "method": 4} if kind == "webp" else {"optimize": False, "disposal": 1}
    first.save(
        buffer, format=kind.upper(), save_all=True, append_images=pages, duration=durations, loop=0, **extra
    )
    return buffer.getvalue()


def _pages(frames: list[tuple[int, Path]], numbered: bool) -> Iterator[Image.Image]:
    size, font = None, ImageFont.load_default(13)
    for step, path in frames:
        try:
            with Image.open(path) as opened:
                picture = opened.convert("RGB")
        except (OSError, UnidentifiedImageError, SyntaxError) as error:
            raise InputError(
                f"{path} is no picture that can be read: remove it, or train it again"
            ) from error
        size = size or picture.size
        if picture.size != size:
            raise InputError(
                f"{path} is {picture.width}×{picture.height} pixels, the first picture {size[0]}×{size[1]}"
            )
        if numbered:
            page = Image.new("RGB", (size[0], size[1] + _LINE), "white")
            page.paste(picture)
            text = f"step {step}"
            ImageDraw.Draw(page).text((4, size[1] + 1), text, fill="#333333", font=font)
            picture = page
        yield picture
