"""`resume=<run folder>`: the run's own overrides and config folder again, with the new ones on top.

A run's `.hydra` stays as its first start wrote it. Each resumption writes its own beside it, as
`.hydra/resume-1`, `.hydra/resume-2`, …; the last complete one is what the next resumption starts from.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from gan_cli.cli import overrides
from gan_cli.cli.compose import saved
from gan_cli.cli.folders import options, package_configs
from gan_cli.cli.output import shown
from gan_cli.cli.refusals import one_line
from gan_cli.cli.request import Request, quoted
from gan_cli.errors import InputError, nearest
from gan_cli.schema import KEYS, NODES
from gan_cli.values import show

SETTINGS = ".hydra"
_FILES = ("config.yaml", "hydra.yaml", "overrides.yaml")  # in the order in which Hydra writes them
_FOLDERS = ("data.root", "data.cache")
_PLACES = (*_FOLDERS, "data.download")  # where files lie, not what they hold


@dataclass(frozen=True)
class Earlier:
    """An earlier run: its folder and the newest complete settings in it."""

    folder: Path
    settings: Path

    @property
    def overrides(self) -> list[str]:
        """The overrides that the run was started with, without `resume`."""
        file = self.settings / "overrides.yaml"
        lines = _loaded(file)
        if not isinstance(lines, ListConfig) or not all(isinstance(line, str) for line in lines):
            raise InputError(f"{shown(file)} is damaged: it holds no list of overrides")
        return [line for line in map(str, lines) if line.split("=")[0] != "resume"]

    @property
    def config_dir(self) -> Path | None:
        """The --config-dir that the run was started with."""
        sources = self._hydra("hydra.runtime.config_sources") or []
        paths = [source.path for source in sources if source.provider == "command-line"]
        return Path(paths[0]) if paths else None

    @property
    def search_path(self) -> list[str]:
        """The run's hydra.searchpath override."""
        lines = self._hydra("hydra.overrides.hydra") or []
        return [line for line in lines if line.startswith("hydra.searchpath=")]

    @property
    def cwd(self) -> Path:
        """The folder that the run was started in."""
        return Path(str(self._hydra("hydra.runtime.cwd") or "."))

    def _hydra(self, key: str) -> Any:
        node = _loaded(self.settings / "hydra.yaml")
        if not isinstance(node, DictConfig) or "hydra" not in node:
            raise InputError(f"{shown(self.settings / 'hydra.yaml')} is damaged: it is not Hydra's")
        with one_line():
            return OmegaConf.select(node, key)

    def places(self) -> list[str]:
        """Overrides that keep the run's relative data folders where they were, seen from the current one."""
        data = saved(self.settings / "config.yaml")["data"]
        return [f"++data.{name}={quoted(place)}" for name, place in self.moved(data).items()]

    def moved(self, data: Mapping[str, Any]) -> dict[str, str]:
        """Of the settings of the run's data, the relative folders as they are seen from the current one."""
        if Path.cwd() == self.cwd:
            return {}
        found = {name: data.get(name) for name in (key.partition(".")[2] for key in _FOLDERS)}
        return {
            name: str(self.cwd / value)
            for name, value in found.items()
            if isinstance(value, str) and not Path(value).expanduser().is_absolute()
        }

    def next_settings(self) -> str:
        """Where this resumption's settings go, relative to the run's folder."""
        taken = [number for number, _ in _resumptions(self.folder)]
        return f"{SETTINGS}/resume-{max(taken, default=0) + 1}"

    def refuse_changes(self, config: Mapping[str, Any], called: str | None = None) -> None:
        """Raise InputError naming every key whose value alters what the run computes.

        called: the run, where it is not asked for by `resume=`.
        """
        before, after = _flat(saved(self.settings / "config.yaml")), _flat(config)
        keys = [key for key in dict.fromkeys([*before, *after]) if not _free(key)]
        changed = [
            f"{key}: {_value(before, key)} → {_value(after, key)}"
            for key in keys
            if before.get(key, _ABSENT) != after.get(key, _ABSENT)
        ]
        if changed:
            raise InputError(
                f"{called or f'resume={shown(self.folder)}'}: this would change what the run computes: "
                f"{'; '.join(changed)}; leave it as it was, or start a new run"
            )

    def finished(self, steps: int, early: bool = False) -> bool:
        """Whether the run ended in order after that many steps, or `early`, and has its last checkpoint."""
        try:
            summary = json.loads((self.folder / "summary.json").read_text(encoding="utf-8"))
            done, outcome = int(summary["step"]), summary["outcome"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        kept = any((self.folder / "checkpoints").glob(f"step_{done:08d}-*.pt"))
        return kept and ((outcome == "done" and done >= steps) or (early and outcome == "stopped"))


def asked_for(request: Request) -> str | None:
    """The folder that `resume=` names, or None. Raises InputError where it names none or several."""
    known = options([package_configs()])
    found = [overrides.parse(line, known) for line in request.overrides if "resume" in line.split("=")[0]]
    found = [override for override in found if override.key_or_group == "resume"]
    if not found or found[-1].is_delete() or found[-1].value() in (None, ""):
        if found and found[-1].value() == "":
            raise InputError("resume= names no folder: write resume=outputs/<date>/<time>")
        return None
    if found[-1].is_sweep_override() or request.multirun:
        raise InputError(f"{found[-1].input_line}: one run is resumed at a time, without --multirun")
    return str(found[-1].value())


def find(name: str, key: str = "resume") -> Earlier:
    """The run at that folder, which `key` names. Raises InputError where there is none, with what there is
    instead."""
    folder = Path(name).expanduser().absolute()
    if not folder.is_dir():
        reason = "is a file; name the run's folder" if folder.exists() else "there is no such folder"
        raise InputError(f"{key}={name}: {reason}{_beside(folder)}")
    for number, place in [*reversed(_resumptions(folder)), (0, folder / SETTINGS)]:
        if complete(place):
            return Earlier(folder, place)
        if number == 0:
            raise InputError(f"{key}={name}: {_no_run(folder, key)}")
    raise AssertionError  # the loop ends at number 0


def complete(settings: Path) -> bool:
    """Whether Hydra got as far as writing all of a run's settings: a kill leaves files away or empty."""
    files = [settings / name for name in _FILES]
    return all(file.is_file() and file.stat().st_size > 0 for file in files)


def extend(request: Request, earlier: Earlier) -> Request:
    """The request with the run's own overrides under the new ones, in the run's own folder."""
    config_dir = request.config_dir or earlier.config_dir
    if config_dir is not None and not config_dir.is_dir():
        raise InputError(f"resume={shown(earlier.folder)}: its --config-dir {config_dir} is gone; name it")
    sys.path += [str(place) for place in (earlier.cwd,) if str(place) not in sys.path]
    own = [f"hydra.run.dir={quoted(str(earlier.folder))}", f"hydra.output_subdir={earlier.next_settings()}"]
    new = [
        line for line in request.overrides if not line.startswith(("hydra.run.dir=", "hydra.output_subdir="))
    ]
    merged = merge([*earlier.search_path, *earlier.overrides, *earlier.places()], new)
    return request.with_overrides([*merged, *own], config_dir)


def merge(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Both lists of overrides, where the later one of two with the same key stands alone.

    >>> merge(["loss=gan", "steps=10", "seed=3"], ["steps=20"])
    ['loss=gan', 'seed=3', 'steps=20']
    """
    last: dict[str, str] = {}
    for line in [*old, *new]:
        key = overrides.key_of(overrides.parse(line, {}))
        last.pop(key, None)
        last[key] = line
    return list(last.values())


def _loaded(file: Path) -> Any:
    with one_line():
        try:
            return OmegaConf.load(file)
        except OSError as error:  # what OmegaConf raises for a lone number or word, too
            raise InputError(f"{shown(file)} cannot be read: {error}") from error


class _Absent:
    def __repr__(self) -> str:
        return "(not set)"


_ABSENT = _Absent()


def _value(values: Mapping[str, Any], key: str) -> str:
    return show(values[key]) if key in values else repr(_ABSENT)


def _free(key: str) -> bool:
    group, _, name = key.partition(".")
    if group in KEYS:
        return KEYS[group].resumable
    own = NODES.get(group, {}).get(name)
    return key in _PLACES or group == "metric" or (own is not None and own.resumable)


def _flat(node: Any, at: str = "") -> dict[str, Any]:
    if isinstance(node, Mapping) and node:
        inner = [_flat(value, f"{at}.{name}" if at else str(name)) for name, value in node.items()]
        return {key: value for part in inner for key, value in part.items()}
    return {at: list(node) if isinstance(node, tuple) else node}


def _resumptions(folder: Path) -> list[tuple[int, Path]]:
    places = (folder / SETTINGS).glob("resume-*")
    return sorted((int(p.name[7:]), p) for p in places if p.name[7:].isdecimal())


def _no_run(folder: Path, key: str) -> str:
    if (folder / "multirun.yaml").is_file():
        jobs = sorted(path.parent.name for path in folder.glob(f"*/{SETTINGS}"))
        return f"a sweep; resume one of its runs: {', '.join(jobs[:8])}" if jobs else "a sweep without runs"
    for parent in folder.parents[:2]:
        if (parent / SETTINGS).is_dir():
            return f"no run's folder, but inside one: {key}={shown(parent)}"
    return f"no run's folder (it has no {SETTINGS}/overrides.yaml){''.join(_inside(folder))}"


def _inside(folder: Path) -> Iterator[str]:
    runs = sorted(
        path.parent for pattern in (SETTINGS, f"*/{SETTINGS}") for path in folder.glob(f"*/{pattern}")
    )
    if runs:
        yield f"; the last one in it is {shown(runs[-1])}"


def _beside(folder: Path) -> str:
    parent = folder.parent
    return nearest(folder.name, [p.name for p in parent.iterdir() if p.is_dir()]) if parent.is_dir() else ""
