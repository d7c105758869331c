"""Where the config files are, and which groups and options they make."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import gan_cli
from gan_cli.errors import InputError, nearest

if TYPE_CHECKING:
    from hydra._internal.config_repository import CachingConfigRepository

MAIN = "train"


def package_configs() -> Path:
    """The folder of the package's own configs: inside an installed package, beside it in a source tree."""
    spec = importlib.util.find_spec("gan_cli.configs")
    places = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    places.append(Path(gan_cli.__file__).resolve().parent.parent / "configs")
    for place in places:
        if (place / f"{MAIN}.yaml").is_file():
            return place
    raise InputError(f"the package's configs are not there (looked in {places[-1]}): install gan-train again")


def extra_configs(folder: str) -> Path:
    """The folder that --config-dir names. Raises InputError where it is none or repeats a name of ours."""
    path = Path(folder).absolute()
    if not path.is_dir():
        there = [p.name for p in path.parent.iterdir() if p.is_dir()] if path.parent.is_dir() else []
        raise InputError(f"--config-dir {folder}: there is no such folder{nearest(path.name, there)}")
    own, theirs = options([package_configs()]), options([path])
    for group, names in theirs.items():
        for name in names:
            if name in own.get(group, []):
                raise InputError(
                    f"--config-dir {folder}: {group}/{name}.yaml has the name of a built-in option and would "
                    f"never be read: rename it"
                )
            _refuse_unreadable(f"--config-dir {folder}: {group}/{name}.yaml", path / group / f"{name}.yaml")
    return path


def _refuse_unreadable(name: str, file: Path) -> None:
    try:
        file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is no text in UTF-8 (byte {error.start}): save it as such") from None


def options(folders: Sequence[Path]) -> dict[str, list[str]]:
    """Each group's options in all the folders, sorted: {"loss": ["fgan_kl", …], …}.

    >>> "wgan" in options([package_configs()])["loss"]
    True
    """
    found: dict[str, set[str]] = {}
    for folder in folders:
        for file in folder.glob("*/**/*.yaml"):
            group, *rest = file.relative_to(folder).with_suffix("").parts
            if group != "hydra" and not any(part.startswith((".", "_")) for part in (group, *rest)):
                found.setdefault(group, set()).add("/".join(rest))
    return {group: sorted(names) for group, names in sorted(found.items())}


def hydra_groups(files: CachingConfigRepository, group: str) -> list[str]:
    """The groups within a group, as Hydra finds them."""
    from hydra.core.object_type import ObjectType

    found = files.get_group_options(group, ObjectType.GROUP)
    return [name for name in found if not name.startswith(("_", "."))]


def hydra_options(files: CachingConfigRepository, group: str) -> list[str]:
    """The options of a group as Hydra finds them, those of groups within it among them."""
    from hydra.core.object_type import ObjectType

    names = list(files.get_group_options(group, ObjectType.CONFIG))
    for inner in hydra_groups(files, group):
        names += [f"{inner}/{name}" for name in hydra_options(files, f"{group}/{inner}")]
    return sorted(set(names))
