"""Planted runs as tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gan_cli.comparison import runs, table
from gan_cli.comparison.table import Table

Tabled = Callable[..., Table]


@pytest.fixture
def tabled(tmp_path: Path) -> Tabled:
    """`tabled(metrics, by)`: the table of what was planted in tmp_path."""

    def make(metrics: Sequence[str] = (), by: Sequence[str] | None = None) -> Table:
        return table.table(runs.read([tmp_path]), metrics, by)

    return make
