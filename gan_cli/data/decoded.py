"""Image sets that are decoded and resized once, and mapped into memory from then on."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, takewhile
from operator import eq
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from PIL import Image, UnidentifiedImageError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from gan_cli.checks import one_of
from gan_cli.data.base import ImageSet, Table
from gan_cli.data.cache import cached, finish_table, read_table, write_table
from gan_cli.data.download import one_line
from gan_cli.data.pixels import Fit, Pixels, to_pixels
from gan_cli.data.places import absolute, user_cache
from gan_cli.data.sources import Item, Source
from gan_cli.errors import InputError

log = logging.getLogger(__name__)

VERSION = 1  # of the way pixels are made: a new one leaves old caches aside
CHUNK = 32  # images a task
BESIDE = ".gan-train-cache"


@dataclass(frozen=True, kw_only=True)
class DecodedSet(ImageSet):
    """What sets of image files share.

    root: where they lie; a relative path starts in the folder of the command.
    fit: crop keeps the central square of an image, squash all of it.
    on_bad_image: whether an image that cannot be read ends the run (error) or is left out (skip).
    cache: the folder for the decoded images; unset, it is beside the data or, where that cannot be written,
        the user's own cache folder.
    """

    root: str = "data"
    fit: Fit = "crop"
    on_bad_image: Literal["error", "skip"] = "error"
    cache: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("fit", self.fit, ("crop", "squash"))
        one_of("on_bad_image", self.on_bad_image, ("error", "skip"))
        object.__setattr__(self, "root", absolute(self.root))
        object.__setattr__(self, "cache", self.cache and absolute(self.cache))

    @abstractmethod
    def source(self) -> Source:
        """The images. Raises InputError where there are none."""

    @abstractmethod
    def title(self) -> str:
        """What messages call the set."""

    @abstractmethod
    def stem(self) -> str:
        """What its cache's name begins with."""

    def home(self) -> Path:
        """The folder that the data lie in."""
        return Path(self.root)

    def class_names(self) -> Sequence[str]:
        """The names of the labels that the source gives; empty where folders name them."""
        return ()

    def preflight(self) -> None:
        first = self.source().first()
        if first is None:
            raise InputError(
                f"no images in {self.title()}: set data.root to a folder or archive that holds some"
            )
        if self.on_bad_image == "error":
            self._checked(self._decode(first))

    def load(self) -> Table:
        """All images, uint8 [N, C, size, size], mapped from the cache, which is made first if need be."""
        source = self.source()
        key = [VERSION, source.fingerprint(), self.size, self.channels, self.fit, self.on_bad_image]
        if self.binarize in ("threshold", "fixed"):
            key += [self.binarize, self.binarize_seed]
        digest = hashlib.blake2b(json.dumps([*key, self._options()]).encode(), digest_size=8).hexdigest()
        name = f"{self.stem()}-{self.size}x{self.size}x{self.channels}-{digest}"
        folders = [Path(self.cache)] if self.cache else [self.home() / BESIDE, user_cache()]
        return read_table(cached(folders, name, lambda folder: self._build(source, folder)))

    def _options(self) -> Any:
        """What else decides which images there are."""
        return None

    def _build(self, source: Source, folder: Path) -> None:
        begin = time.perf_counter()
        names: list[str] = []
        labels: list[int | None] = []
        bad: list[_Decoded] = []

        def rows() -> Iterator[Pixels]:
            for image in self._all(source):
                pixels = self._checked(image).pixels
                if pixels is None:
                    bad.append(image)
                    continue
                names.append(image.name)
                labels.append(image.label)
                yield self.binarized_image(pixels)

        count = write_table(folder, self.shape, rows())
        example = f", the first {bad[0].name} ({bad[0].reason})" if bad else ""
        if not count:
            raise InputError(f"no readable image in {self.title()}: {len(bad)} cannot be read{example}")
        if bad:
            log.warning("left out %d images of %s that cannot be read%s", len(bad), self.title(), example)
        told = set(labels) != {None}
        indices, classes = (_known(labels), self.class_names()) if told else labels_from_folders(names)
        about = {"source": self.title(), "images": count, "left_out": len(bad)}
        finish_table(folder, indices, classes, about)
        seconds = time.perf_counter() - begin
        log.info("decoded %d images of %s in %.1f s", count, self.title(), seconds)

    def _all(self, source: Source) -> Iterator[_Decoded]:
        """Every image decoded, in order, a bounded number ahead."""
        workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        items = source.items()
        pending: deque[Future[list[_Decoded]]] = deque()
        with _progress() as bar, ThreadPoolExecutor(workers, "decode") as pool:
            task = bar.add_task(f"decoding {self.title()}", total=source.total())
            try:
                while chunk := list(islice(items, CHUNK)):
                    pending.append(pool.submit(self._decode_all, chunk))
                    bar.update(task, completed=chunk[-1].position)
                    if len(pending) > 4 * workers:
                        yield from pending.popleft().result()
                while pending:
                    yield from pending.popleft().result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _decode_all(self, items: Sequence[Item]) -> list[_Decoded]:
        return [self._decode(item) for item in items]

    def _decode(self, item: Item) -> _Decoded:
        try:
            image, label = item.read()
            if not isinstance(image, Image.Image):
                return _Decoded(item.name, None, None, f"it is a {type(image).__name__}, not an image")
            with image:
                return _Decoded(item.name, to_pixels(image, self.size, self.channels, self.fit), label, "")
        except UnidentifiedImageError:  # whose own words are about Python objects
            return _Decoded(item.name, None, None, "it is no image of a known format")
        except Exception as error:  # noqa: BLE001 - Pillow's many decoders raise whatever a damaged file makes them raise
            return _Decoded(item.name, None, None, one_line(error))

    def _checked(self, image: _Decoded) -> _Decoded:
        if image.pixels is None and self.on_bad_image == "error":
            where = f"{image.name} in {self.title()}"
            raise InputError(f"cannot read {where}: {image.reason}; data.on_bad_image=skip leaves it out")
        return image


class _Decoded(NamedTuple):
    """An image as pixels, or the reason why there are none."""

    name: str
    pixels: Pixels | None
    label: int | None
    reason: str


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _known(labels: Sequence[int | None]) -> list[int]:
    return [-1 if label is None else label for label in labels]


def labels_from_folders(names: Sequence[str]) -> tuple[list[int] | None, list[str]]:
    """Labels from the first folder level on which the images differ, its folders in alphabetical order.

    >>> labels_from_folders(["set/cat/1.png", "set/ant/old/2.png", "set/cat/3.png"])
    ([1, 0, 1], ['ant', 'cat'])
    >>> labels_from_folders(["1.png", "2.png"])
    (None, [])
    """
    folders = [PurePosixPath(name).parent.parts for name in names]
    first, last = min(folders), max(folders)  # what these two share, all share
    shared = sum(takewhile(bool, map(eq, first, last)))
    level = [parts[shared] if len(parts) > shared else "" for parts in folders]
    classes = sorted(set(level))
    if classes == [""]:
        return None, []
    index = {name: number for number, name in enumerate(classes)}
    return [index[name] for name in level], classes
