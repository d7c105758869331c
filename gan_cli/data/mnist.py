"""MNIST and the sets in its format: four idx files, read as they were published."""

from __future__ import annotations

import gzip
import importlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from gan_cli.checks import one_of
from gan_cli.data.base import ImageSet, Labels, Table
from gan_cli.data.download import fetch, one_line
from gan_cli.data.pixels import Pixels, from_grey
from gan_cli.data.places import absolute, writable
from gan_cli.errors import InputError

Split = Literal["train", "test", "all"]
_UINT8 = 8


@dataclass(frozen=True, kw_only=True)
class MNIST(ImageSet):
    """Handwritten digits, 60,000 for training and 10,000 for testing (LeCun et al. 1998).

    The files are looked for in `root`/MNIST/raw, as torchvision lays them out, packed (.gz) or not, and read
    in place: the folder may be read-only.
    """

    root: str = "data"
    split: Split = "train"
    download: bool = True
    size: int = 28
    channels: Literal[1, 3] = 1
    default_steps: int = 10000

    name: ClassVar[str] = "MNIST"
    sorts: ClassVar[tuple[str, ...]] = tuple("0123456789")

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("split", self.split, ("train", "test", "all"))
        object.__setattr__(self, "root", absolute(self.root))

    @property
    def classes(self) -> tuple[str, ...]:
        """What the images show."""
        return self.sorts

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return Path(self.root) / self.name / "raw"

    def held_out(self) -> MNIST | None:
        return replace(self, split="test") if self.split == "train" else None

    def preflight(self) -> None:
        missing = [name for pair in self._names() for name in pair if self._find(name) is None]
        if not missing:
            return
        expected = f"expected {self.folder}/{missing[0]}.gz (data.root={self.root})"
        if not self.download:
            raise InputError(f"{self.name} is not there: {expected}, and data.download=false")
        if not writable(self.folder):
            raise InputError(f"{self.name} is not there: {expected}, and the folder cannot be written to")
        try:
            self._fetch(missing)
        except (InputError, OSError) as error:
            raise InputError(
                f"{self.name} is not there: {expected}, and its download failed ({one_line(error)})"
            ) from error

    def load(self) -> Table:
        """The split's images, uint8 [N, C, size, size], and labels."""
        self.preflight()
        images: list[Pixels] = []
        labels: list[Labels] = []
        for image_name, label_name in self._names():
            pixels = read_idx(self._path(image_name), 3)
            digits = read_idx(self._path(label_name), 1)
            if len(pixels) != len(digits):
                raise InputError(f"{self.folder}: {len(pixels)} {image_name} but {len(digits)} {label_name}")
            images.append(from_grey(pixels, self.size, self.channels))
            labels.append(digits.astype(np.int64))
        return self.binarized(Table(np.concatenate(images), np.concatenate(labels), self.classes))

    def _names(self) -> Iterator[tuple[str, str]]:
        for split, prefix in (("train", "train"), ("test", "t10k")):
            if self.split in (split, "all"):
                yield f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"

    def _find(self, name: str) -> Path | None:
        candidates = (self.folder / name, self.folder / f"{name}.gz")
        return next((path for path in candidates if path.is_file()), None)

    def _path(self, name: str) -> Path:
        path = self._find(name)
        if path is None:
            raise InputError(f"{self.folder}/{name}.gz has gone")
        return path

    def _fetch(self, missing: list[str]) -> None:
        source = getattr(importlib.import_module("torchvision.datasets"), self.name)
        checksums: dict[str, str] = dict(source.resources)
        for name in missing:
            packed = f"{name}.gz"
            fetch([f"{mirror}{packed}" for mirror in source.mirrors], self.folder / packed, checksums[packed])


@dataclass(frozen=True, kw_only=True)
class FashionMNIST(MNIST):
    """Articles of clothing in MNIST's format (Xiao, Rasul and Vollgraf 2017), in `root`/FashionMNIST/raw."""

    name: ClassVar[str] = "FashionMNIST"
    sorts: ClassVar[tuple[str, ...]] = (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    )


@dataclass(frozen=True, kw_only=True)
class KMNIST(MNIST):
    """Cursive Japanese characters in MNIST's format (Clanuwat et al. 2018), in `root`/KMNIST/raw."""

    name: ClassVar[str] = "KMNIST"
    sorts: ClassVar[tuple[str, ...]] = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


def read_idx(path: Path, dimensions: int) -> Pixels:
    """An idx file of bytes, packed by gzip or not.

    The layout: two zero bytes, the type (8 for uint8), the number of dimensions, each dimension as a
    big-endian uint32, then the values, the last dimension fastest. Raises InputError if the file is another
    sort, cut short, or fails gzip's checksum.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(_damaged(path, one_line(error))) from error
    start = 4 * (1 + dimensions)
    if len(raw) < start or raw[:4] != bytes((0, 0, _UINT8, dimensions)):
        raise InputError(_damaged(path, f"it does not begin as an idx file of {dimensions} dimensions does"))
    shape = tuple(int(n) for n in np.frombuffer(raw, ">u4", dimensions, 4))
    if len(raw) - start != np.prod(shape, dtype=np.int64):
        raise InputError(_damaged(path, f"it should hold {shape} values, but holds {len(raw) - start}"))
    return np.frombuffer(bytearray(memoryview(raw)[start:]), np.uint8).reshape(shape)


def _damaged(path: Path, reason: str) -> str:
    return f"{path} is damaged ({reason}): delete it to have it downloaded again"
