"""Images of noise: every pixel uniform, for tests and for measuring speed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gan_cli.checks import at_least_one
from gan_cli.data.base import ImageSet, Table


@dataclass(frozen=True, kw_only=True)
class Fake(ImageSet):
    """`count` images of independent uniform pixels, labelled by `labels` classes, a function of `seed`."""

    count: int = 512
    labels: int = 10
    seed: int = 0
    size: int = 16
    channels: Literal[1, 3] = 1
    default_steps: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(count=self.count, labels=self.labels)
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels as words."""
        return tuple(map(str, range(self.labels)))

    def held_out(self) -> Fake:
        """As many others of the same law."""
        return replace(self, seed=self.seed + 1)

    def load(self) -> Table:
        """The images: uint8 [count, C, size, size]."""
        random = np.random.default_rng(self.seed)
        images = random.integers(0, 256, (self.count, *self.shape), dtype=np.uint8)
        labels = random.integers(0, self.labels, self.count, dtype=np.int64)
        return self.binarized(Table(images, labels, self.classes))
