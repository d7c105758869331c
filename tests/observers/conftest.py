from __future__ import annotations

from collections.abc import Iterator

import pytest

from gan_cli.observers.logfile import LOGGER


@pytest.fixture(autouse=True)
def no_open_logs() -> Iterator[None]:
    """Close what a run that a test killed has left open."""
    level = LOGGER.level
    yield
    for handler in LOGGER.handlers[:]:
        LOGGER.removeHandler(handler)
        handler.close()
    LOGGER.setLevel(level)
