"""Who speaks: while the runs of a chunk share a process, what one of them logs goes to its own log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from gan_cli.observers.logfile import LOGGER

WARNINGS = logging.getLogger("py.warnings")
_speaker: ContextVar[int | None] = ContextVar("speaker", default=None)


@contextmanager
def speaking(job: int) -> Iterator[None]:
    """What is logged in the block is that job's; outside of all blocks it is everybody's."""
    token = _speaker.set(job)
    try:
        yield
    finally:
        _speaker.reset(token)


@contextmanager
def listening(job: int) -> Iterator[None]:
    """Handlers that the block adds to the loggers hear that job alone, and name it but in files."""
    loggers = (LOGGER, WARNINGS)
    before = [list(logger.handlers) for logger in loggers]
    yield
    for logger, old in zip(loggers, before, strict=True):
        for handler in (h for h in logger.handlers if h not in old):
            handler.addFilter(lambda record: _speaker.get() in (None, job))
            if not isinstance(handler, logging.FileHandler):
                handler.setFormatter(logging.Formatter(f"job {job}: %(message)s"))


@contextmanager
def kept_open() -> Iterator[None]:
    """The log takes in what runs say for the length of the block, whichever of them ends first."""
    level = LOGGER.level
    LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOGGER.setLevel(level)
