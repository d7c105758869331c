"""train.log: what happened, in words."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from pathlib import Path

from gan_cli.files import guarded
from gan_cli.observers.base import Observer, Run
from gan_cli.types import State

NAME = "train.log"
LOGGER = logging.getLogger("gan_cli")
_FORMAT = "%(asctime)s %(levelname)-7s %(message)s"


def is_terminal() -> bool:
    """Whether standard error is a terminal, so that a progress bar can move there."""
    return sys.stderr.isatty()


class LogFile(Observer):
    """Appends what gan_cli logs to train.log, and shows it on standard error: all of it where that is no
    terminal, warnings where a progress bar moves there. It works until `close`."""

    def __init__(self) -> None:
        self._handlers: list[logging.Handler] = []
        self._level = logging.NOTSET

    def start(self, run: Run, state: State) -> None:
        self._level = LOGGER.level
        LOGGER.setLevel(logging.INFO)
        path = run.folder / NAME
        with guarded(run.folder):
            self._add(_File(path), _FORMAT, logging.INFO)
        if not logging.getLogger().handlers:  # a root logger with handlers shows them itself
            self._add(_Terminal(), "%(message)s", logging.WARNING if is_terminal() else logging.INFO)
        for note in run.notes:
            LOGGER.warning("%s", note)
        where = f"from step {run.start_step}" if run.start_step else "from the start"
        LOGGER.info("running %s to step %d on %s", where, run.steps, run.device)

    def close(self) -> None:
        """Stop logging to the file."""
        for handler in self._handlers:
            LOGGER.removeHandler(handler)
            with suppress(OSError):  # what a full disk did not take
                handler.close()
        if self._handlers:
            LOGGER.setLevel(self._level)
        self._handlers.clear()

    def _add(self, handler: logging.Handler, form: str, level: int) -> None:
        handler.setFormatter(logging.Formatter(form))
        handler.setLevel(level)
        LOGGER.addHandler(handler)
        self._handlers.append(handler)


class _File(logging.FileHandler):
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(path, encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:
        """Lose the line: logging that the disk is full must not end in a traceback of its own."""


class _Terminal(logging.Handler):
    """Standard error as it is now: a progress bar puts itself between."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(self.format(record) + "\n")
