"""Image sets whose tables are handed over, with labels of any names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gan_cli.data.base import ImageSet, Table


@dataclass(frozen=True, kw_only=True)
class Given(ImageSet):
    """A set whose table is handed over."""

    table: Table

    def load(self) -> Table:
        return self.table


@dataclass(frozen=True, kw_only=True)
class Split(Given):
    """One that holds out another table."""

    unseen: Table

    def held_out(self) -> Given:
        return Given(size=self.size, channels=self.channels, table=self.unseen)


def by_folders(*names: str, count: int = 12) -> Table:
    """Images whose grey is their class's, labelled as folders of these names are."""
    labels = np.arange(count) % len(names)
    grey = np.array([10 * ord(name) % 256 for name in names], dtype=np.uint8)[labels]
    return Table(np.broadcast_to(grey[:, None, None, None], (count, 1, 8, 8)).copy(), labels, names)
