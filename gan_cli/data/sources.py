"""Where images come from, one after another: what a source is, folders, and sets with an index."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Protocol

import numpy as np
from PIL import Image

from gan_cli.errors import InputError

_COMMON = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".avif")
_RARE = (".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".jp2")
SUFFIXES = frozenset(_COMMON + _RARE)

Wanted = Callable[[str], bool]


class Item(NamedTuple):
    """One image that is not decoded yet.

    name: its path below the root, with slashes; read: opens it, perhaps in another thread, and tells its
    label where it knows one; position: how much of the source lies before it, in the unit of its total.
    """

    name: str
    read: Callable[[], tuple[Image.Image, int | None]]
    position: int


class Source(Protocol):
    """An ordered collection of images."""

    def items(self) -> Iterator[Item]:
        """The images in a fixed order. Raises InputError where the source is damaged."""

    def first(self) -> Item | None:
        """The first of them, found without a search for the others; None where there is none."""

    def total(self) -> int:
        """How far positions go."""

    def fingerprint(self) -> Any:
        """What changes whenever the images do, made of numbers, strings and lists."""


def is_image(name: str) -> bool:
    """Whether a path names an image that is not hidden.

    >>> [is_image(name) for name in ("a/b.JPG", "a/.b.jpg", "__MACOSX/b.jpg", "a/b.txt")]
    [True, False, False, False]
    """
    parts = name.split("/")
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not hidden and os.path.splitext(parts[-1])[1].lower() in SUFFIXES  # noqa: PTH122 - no path


def _unreadable(error: OSError) -> NoReturn:
    # os.walk would pass over the folder without a word.
    raise InputError(f"cannot read the folder {error.filename}: {error.strerror}") from error


@dataclass(frozen=True)
class Folder:
    """All wanted images below a folder, sorted within each folder."""

    root: Path
    wanted: Wanted

    def items(self) -> Iterator[Item]:
        for number, (name, path) in enumerate(self._listed):
            yield self._item(name, path, number)

    def first(self) -> Item | None:
        found = next(self._files(), None)
        return found and self._item(*found, 0)

    def total(self) -> int:
        return len(self._listed)

    def fingerprint(self) -> Any:
        digest = hashlib.blake2b(digest_size=16)
        for name, path in self._listed:
            stat = path.stat() if path.exists() else path.lstat()  # a link may point nowhere
            digest.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode(errors="surrogateescape"))
        return [str(self.root), digest.hexdigest()]

    def _item(self, name: str, path: Path, position: int) -> Item:
        return Item(name, lambda: (Image.open(path), None), position)

    @cached_property
    def _listed(self) -> list[tuple[str, Path]]:
        return list(self._files())

    def _files(self) -> Iterator[tuple[str, Path]]:
        entered = set()
        for folder, folders, files in os.walk(self.root, onerror=_unreadable, followlinks=True):
            stat = Path(folder).stat()
            if (stat.st_dev, stat.st_ino) in entered:  # a link back up
                folders.clear()
                continue
            entered.add((stat.st_dev, stat.st_ino))
            folders.sort()
            below = Path(folder).relative_to(self.root)
            for file in sorted(files):
                name = (below / file).as_posix()
                if is_image(name) and self.wanted(name):
                    yield name, Path(folder) / file


@dataclass(frozen=True)
class Indexed:
    """A data set with a length whose entries are (image, target) or images, as torchvision's are."""

    data: Any
    identity: Any

    def items(self) -> Iterator[Item]:
        return map(self._item, range(len(self.data)))

    def first(self) -> Item | None:
        return self._item(0) if len(self.data) else None

    def sort_of_first(self) -> str | None:
        """The type of the first image where it is none of Pillow's, else None."""
        image, _ = self._read(0)
        return None if isinstance(image, Image.Image) else type(image).__name__

    def _item(self, number: int) -> Item:
        return Item(f"image {number}", lambda: self._read(number), number)

    def total(self) -> int:
        return len(self.data)

    def fingerprint(self) -> Any:
        return [self.identity, len(self.data)]

    def _read(self, number: int) -> tuple[Image.Image, int | None]:
        entry = self.data[number]
        image, target = (entry[0], entry[1]) if isinstance(entry, tuple) else (entry, None)
        return image, int(target) if isinstance(target, int | np.integer) else None
