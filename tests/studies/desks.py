"""A desk for studies in tests: an experiment's file without its study, under a test's own small sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gan_cli.build import Experiment
from gan_cli.studies.base import Desk
from tests.test_combinations import built

PNG = b"\x89PNG\r\n"


def desk(folder: Path, *base: str, **options: Any) -> Desk:
    """A desk whose setting is these overrides; later ones replace earlier ones of the same key."""

    def setting(*more: str) -> Experiment:
        named = {override.split("=", 1)[0]: override for override in (*base, *more, "device=cpu")}
        return built(*named.values())

    return Desk(folder, setting, **options)


def left(folder: Path) -> set[str]:
    """The names of what a study left, pictures checked to be some."""
    for picture in folder.glob("*.png"):
        assert picture.read_bytes().startswith(PNG)
    return {path.name for path in folder.iterdir() if path.is_file()}
