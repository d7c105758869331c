"""A cache of the tests' own, and small files in MNIST's format."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_cli.evaluation import features
from tests.data.conftest import idx_root as idx_root
from tests.data.conftest import no_network as no_network


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the cache of who runs it, nor another test's features."""
    features._shared.cache_clear()
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "gan-train"
