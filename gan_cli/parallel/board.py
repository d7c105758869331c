"""What the processes of one launch tell each other outside their computations: short texts under keys.

The board is the key-value store that torchrun's processes meet at. It is only ever polled: whoever waits for
a text also sees that another process has failed.
"""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta
from functools import cache
from typing import NamedTuple

from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from gan_cli.parallel.collectives import Lost
from gan_cli.parallel.ranks import Ranks

_PAUSE, _LAST, _PATIENCE = 0.1, 5.0, timedelta(minutes=5)
_FAILURE, _EMPTY = "failure", ""


class Failure(NamedTuple):
    """The first failure of a launch: whose, its line for the user, and its traceback."""

    rank: int
    line: str
    trace: str


class Board:
    """The board as this process sees it. All methods raise Lost where the store itself is gone."""

    def __init__(self, ranks: Ranks):
        self._ranks = ranks
        store, _, _ = next(rendezvous("env://", timeout=_PATIENCE))
        # After a restart by torchrun the store may be the same.
        self.store: Store = PrefixStore(f"gan/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)

    def post(self, key: str, text: str) -> None:
        """Put a text there, unless there is one."""
        try:
            self.store.compare_set(key, _EMPTY, text)
        except RuntimeError as error:
            raise _gone(error) from error

    def beat(self, beat: int) -> str | None:
        """Show that this process lives, and look at the next one's last sign of life."""
        try:
            self.store.set(f"beat/{self._ranks.rank}", str(beat))
        except RuntimeError as error:
            raise _gone(error) from error
        return self.read(f"beat/{(self._ranks.rank + 1) % self._ranks.count}")

    def read(self, key: str) -> str | None:
        """The text there, None if there is none."""
        try:
            return self.store.get(key).decode() if self.store.check([key]) else None
        except RuntimeError as error:
            raise _gone(error) from error

    def wait(self, key: str) -> str:
        """The text there once there is one. Raises Lost if another process fails meanwhile."""
        while (text := self.read(key)) is None:
            if (failure := self.failure()) is not None:
                raise Lost(failure.line)
            time.sleep(_PAUSE)
        return text

    def meet(self, name: str) -> None:
        """Wait until all processes have come here. Raises Lost if one fails meanwhile."""
        try:
            if self.store.add(f"{name}/count", 1) == self._ranks.count:
                self.post(name, "all")
        except RuntimeError as error:
            raise _gone(error) from error
        self.wait(name)

    def part(self) -> None:
        """Wait until all processes are at their end; the first one, who may hold the store, leaves last.

        Raises Lost if one fails meanwhile.
        """
        self.meet("end")
        try:
            self.store.add("left", 1)
            until = time.monotonic() + _LAST
            while self._ranks.leads and self.store.add("left", 0) < self._ranks.count:
                if time.monotonic() > until:
                    return  # killed on its last step: what it had to do is done
                time.sleep(_PAUSE)
        except RuntimeError as error:
            raise _gone(error) from error

    def fail(self, line: str, trace: str = "") -> None:
        """Tell all that this process has failed; the first to say so is the one that counts."""
        self.post(_FAILURE, json.dumps([self._ranks.rank, line, trace]))

    def failure(self) -> Failure | None:
        """The first failure, if there is one."""
        text = self.read(_FAILURE)
        return None if text is None else Failure(*json.loads(text))


@cache
def board(ranks: Ranks) -> Board:
    """The one board of this process."""
    return Board(ranks)


def _gone(error: RuntimeError) -> Lost:
    return Lost(f"torchrun's meeting point does not answer ({str(error).splitlines()[0]})")
