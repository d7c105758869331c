"""The scanned digits that come with scikit-learn: real images without a download."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gan_cli.checks import one_of
from gan_cli.data.base import ImageSet, Table
from gan_cli.data.pixels import from_grey

_ROWS = {"train": slice(1437), "test": slice(1437, None), "all": slice(None)}


@dataclass(frozen=True, kw_only=True)
class Digits(ImageSet):
    """1,797 digits of 8×8 pixels and 17 grey levels (Alpaydın and Kaynak, UCI 1998), resized to `size`.

    split: all of them, or the first 1,437 for training and the last 360, of other writers, for testing.
    """

    split: Literal["train", "test", "all"] = "all"
    size: int = 16
    channels: Literal[1, 3] = 1
    default_steps: int = 4000

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("split", self.split, tuple(_ROWS))

    @property
    def classes(self) -> tuple[str, ...]:
        """The ten digits."""
        return tuple("0123456789")

    def held_out(self) -> Digits | None:
        return replace(self, split="test") if self.split == "train" else None

    def load(self) -> Table:
        """The split's digits: uint8 [N, C, size, size], the grey levels 0…16 spread over 0…255."""
        # Imported by name: it takes a second, and only this set needs it.
        source = importlib.import_module("sklearn.datasets").load_digits()
        rows = _ROWS[self.split]
        grey = np.rint(source.images[rows] * (255 / 16)).astype(np.uint8)
        labels = source.target[rows].astype(np.int64)
        return self.binarized(Table(from_grey(grey, self.size, self.channels), labels, self.classes))
