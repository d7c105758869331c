"""The folder that a run writes to: where it will be, whether it is free, and how it is shown to a user."""

from __future__ import annotations

import shutil
import sys
from contextlib import suppress
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, read_write
from omegaconf.errors import OmegaConfBaseException

from gan_cli.errors import InputError


def folder_of(config: DictConfig, number: int | None = None) -> Path | None:
    """Where Hydra will put the run of this config, or None where only Hydra can tell. Raises InputError.

    number: the job's in a sweep; None: it is a single run.
    """
    hydra = HydraConfig.instance()
    before = hydra.cfg
    config = config.copy()
    try:
        if number is not None:
            with read_write(config.hydra.job):
                config.hydra.job.num = number
        hydra.set_config(config)
        if number is None:
            return _named("hydra.run.dir", config.hydra.run.dir)
        return _named("hydra.sweep.dir", config.hydra.sweep.dir) / str(config.hydra.sweep.subdir)
    except OmegaConfBaseException:
        return None
    finally:
        hydra.cfg = before


def sweep_of(config: DictConfig) -> Path | None:
    """Where Hydra will put the sweep of this config, or None where only Hydra can tell. Raises InputError."""
    hydra = HydraConfig.instance()
    before = hydra.cfg
    hydra.set_config(config)
    try:
        return _named("hydra.sweep.dir", config.hydra.sweep.dir)
    except OmegaConfBaseException:
        return None
    finally:
        hydra.cfg = before


def _named(key: str, value: object) -> Path:
    if not str(value or "").strip():
        raise InputError(f"{key}= names no folder: leave it out, or name one")
    return Path(str(value))


def refuse_taken(folder: Path) -> None:
    """Raise InputError where the folder holds a run, which a new one would overwrite."""
    if (folder / ".hydra" / "overrides.yaml").is_file() or has_checkpoints(folder):
        raise taken(folder)


def has_checkpoints(folder: Path) -> bool:
    """Whether a run left checkpoints there."""
    return any((folder / "checkpoints").glob("*.pt"))


def remove_unused(folder: Path) -> None:
    """Remove the folder of a run that was refused before its first step, unless anything else lies in it."""
    if folder.is_dir() and {path.name for path in folder.iterdir()} <= {
        ".hydra",
        ".lock",
        "train.log",
        "estimate.log",
    }:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # the day's folder, if no other run is in it
            folder.parent.rmdir()


def taken(folder: Path) -> InputError:
    """That the folder holds a run, and what to do."""
    place = shown(folder)
    return InputError(
        f"{place} holds a run already: go on with it by gan-train resume={place}, or name another folder"
    )


def shown(folder: Path) -> str:
    """The folder as a user would type it: relative where it lies below the current one."""
    return str(folder.relative_to(Path.cwd())) if folder.is_relative_to(Path.cwd()) else str(folder)


def program(name: str) -> str:
    """How to call a command that is installed beside this Python: by name where PATH leads to it.

    >>> program("no-such-command")
    'no-such-command'
    """
    own, found = Path(sys.executable).parent / name, shutil.which(name)
    if not own.is_file() or (found is not None and Path(found).absolute() == own):
        return name
    return shown(own)
