"""CelebA: 202,599 aligned photographs of faces."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from gan_cli.checks import one_of
from gan_cli.data.archives import open_source
from gan_cli.data.decoded import DecodedSet
from gan_cli.data.download import fetch_torchvision
from gan_cli.data.sources import Source
from gan_cli.errors import InputError

FACES = "img_align_celeba"
# The official partition goes by the number in the file's name: (first, last).
_SPLITS = {"train": (1, 162770), "valid": (162771, 182637), "test": (182638, 202599), "all": (1, 202599)}


@dataclass(frozen=True, kw_only=True)
class CelebA(DecodedSet):
    """Aligned faces of 178×218 pixels (Liu et al. 2015), by default their central square.

    Read from the folder `root`/celeba/img_align_celeba or the .zip of that name beside it, which need not be
    unpacked. `download` needs the package gdown, and Google's leave.
    """

    split: Literal["train", "valid", "test", "all"] = "train"
    download: bool = True
    size: int = 64
    default_steps: int = 50000

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("split", self.split, tuple(_SPLITS))

    def title(self) -> str:
        return f"CelebA's split {self.split} in data.root={self.root}"

    def stem(self) -> str:
        return f"celeba-{self.split}"

    def home(self) -> Path:
        return Path(self.root) / "celeba"

    def held_out(self) -> CelebA | None:
        return replace(self, split="test") if self.split == "train" else None

    def preflight(self) -> None:
        if self._find() is None:
            self._fetch()
        super().preflight()

    def source(self) -> Source:
        path = self._find()
        if path is None:
            raise InputError(self._missing())
        return open_source(path, self._wanted)

    def _find(self) -> Path | None:
        candidates = (self.home() / FACES, self.home() / f"{FACES}.zip")
        return next((path for path in candidates if path.exists()), None)

    def _missing(self) -> str:
        return f"CelebA is not there: expected {self.home() / FACES}[.zip] (data.root={self.root})"

    def _fetch(self) -> None:
        if not self.download:
            raise InputError(f"{self._missing()}, and data.download=false")
        cls = importlib.import_module("torchvision.datasets").CelebA
        try:
            fetch_torchvision(cls, Path(self.root), {"split": "all"})
        except InputError as error:
            raise InputError(f"{self._missing()}, and its download failed ({error})") from error

    def _options(self) -> Any:
        return self.split

    def _wanted(self, name: str) -> bool:
        number = PurePosixPath(name).stem
        first, last = _SPLITS[self.split]
        return number.isdigit() and first <= int(number) <= last
