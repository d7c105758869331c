"""Signals that end a command in order."""

from __future__ import annotations

import math
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from gan_cli.parallel.ranks import here

_ECHO = 3.0
"""Seconds in which one signal may come twice: from a scheduler to all processes, and from torchrun."""


class Stop:
    """Asks the loop to end after its current step once a signal came; a second one ends at once.

    quiet: say nothing of it. Under torchrun an echo of the first signal is not the second one.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.signal: int | None = None
        self._quiet = quiet
        self._echo = _ECHO if here().count > 1 else 0.0
        self._first = -math.inf

    def __call__(self) -> bool:
        return self.signal is not None

    def again(self) -> None:
        """What a second signal does."""
        raise KeyboardInterrupt

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            if time.monotonic() - self._first >= self._echo:
                self.again()
            return
        self.signal, self._first = number, time.monotonic()
        if number == signal.SIGHUP:
            _leave_terminal()
        if not self._quiet:
            print("stopping after this step; once more to stop at once", file=sys.stderr)

    @contextmanager
    def installed(self) -> Iterator[Stop]:
        """Catch the signals for the length of the block."""
        # A launcher's thread gets no signals, and may not ask for them.
        main_thread = threading.current_thread() is threading.main_thread()
        wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if main_thread else ()
        numbers = [number for number in wanted if _free(number)]
        before = {number: signal.signal(number, self._caught) for number in numbers}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _free(number: signal.Signals) -> bool:
    """Whether nobody has it: not a launcher's engine, such as submitit, nor nohup the hangup."""
    handler = signal.getsignal(number)
    if number == signal.SIGHUP and handler is signal.SIG_IGN:
        return False
    return not callable(handler) or handler is signal.default_int_handler


def _leave_terminal() -> None:
    """Send what is still printed nowhere, where it went to a terminal: that one is gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        if stat.S_ISCHR(os.fstat(number).st_mode):
            os.dup2(nowhere, number)
    os.close(nowhere)
