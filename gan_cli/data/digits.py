"""The scanned digits that come with scikit-learn: real images without a download."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gan_cli.data.base import ImageSet, Table
from gan_cli.data.pixels import from_grey


@dataclass(frozen=True, kw_only=True)
class Digits(ImageSet):
    """1,797 digits of 8×8 pixels and 17 grey levels (Alpaydın and Kaynak, UCI 1998), resized to `size`."""

    size: int = 16
    channels: Literal[1, 3] = 1
    default_steps: int = 4000

    def load(self) -> Table:
        """All digits: uint8 [1797, C, size, size], the grey levels 0…16 spread over 0…255."""
        # Imported by name: it takes a second, and only this set needs it.
        source = importlib.import_module("sklearn.datasets").load_digits()
        grey = np.rint(source.images * (255 / 16)).astype(np.uint8)
        labels = source.target.astype(np.int64)
        return Table(from_grey(grey, self.size, self.channels), labels, tuple("0123456789"))
