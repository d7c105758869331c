"""Which of a launch's processes this one is. Imports nothing but the standard library."""

from __future__ import annotations

import os
from dataclasses import dataclass

_LAUNCHED = "TORCHELASTIC_RUN_ID"
"""torchrun sets it; RANK and WORLD_SIZE alone may be another launcher's, for other purposes."""


@dataclass(frozen=True)
class Ranks:
    """One process of a launch: number `rank` of `count`, `local` of the `beside` on machine number `node`."""

    rank: int = 0
    count: int = 1
    local: int = 0
    beside: int = 1
    node: int = 0

    @property
    def leads(self) -> bool:
        """Whether it is the one that reads the command line, watches the run and writes files."""
        return self.rank == 0

    def rows(self, size: int) -> slice:
        """Its rows of a batch of that size, which all processes share evenly.

        >>> Ranks(rank=1, count=4).rows(8)
        slice(2, 4, None)
        """
        share = size // self.count
        return slice(self.rank * share, (self.rank + 1) * share)


def here() -> Ranks:
    """Which process of torchrun's this one is; the only one where torchrun did not start it."""
    if _LAUNCHED not in os.environ:
        return Ranks()
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK")
    return Ranks(*(int(os.environ[name]) for name in names))
