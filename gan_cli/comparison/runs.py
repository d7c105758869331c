"""What runs left in their folders, read without torch and whatever state the files are in."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from gan_cli.comparison.config import Config, read_config

SUMMARY, METRICS, EVALUATIONS, SETTINGS = "summary.json", "metrics.jsonl", "evaluation.json", ".hydra"
WALL_CLOCK = ("step", "time", "steps/s", "images/s")
PRUNED = ".pruned"
"""Left in the folder of a run that `prune` ends early: its summary says `stopped`."""
_INNER = {SETTINGS, "checkpoints", "samples"}
"""Folders of a run in which no other run is looked for."""

Curve = tuple[list[int], list[float]]
"""Steps in rising order, and the values."""


@dataclass(frozen=True)
class Run:
    """One run's folder.

    name: the folder below what all runs have in common; outcome: `done`, `stopped`, `failed` or `running`
    as summary.json has it, `pruned` where `prune` stopped it, `empty` where nothing was written, `torn` where
    it cannot be read; problems: what else could not be read, in a line each.
    """

    folder: Path
    name: str
    config: Config
    outcome: str
    summary: dict[str, Any]
    curves: dict[str, Curve]
    evaluations: list[dict[str, Any]]
    problems: tuple[str, ...] = ()

    @property
    def step(self) -> int | None:
        """The last step that is known of: summary.json tells of none before the end."""
        known = [steps[-1] for steps, _ in self.curves.values() if steps]
        said = _whole(self.summary.get("step"))
        return max(known if said is None else [*known, said], default=None)

    @property
    def steps(self) -> int | None:
        """How many it was to take."""
        found = _whole(self.summary.get("steps"))
        return _whole(self.config.values.get("steps")) if found is None else found

    @property
    def seed(self) -> int | None:
        found = _whole(self.config.values.get("seed"))
        return _whole(self.summary.get("seed")) if found is None else found

    @property
    def failure(self) -> str | None:
        """What the watchdog saw."""
        found = self.summary.get("failure")
        return None if found is None else " ".join(str(found).split())

    @property
    def last(self) -> dict[str, float]:
        """The last value of each scalar by summary.json."""
        found = self.summary.get("metrics")
        numbers = {str(k): number(v) for k, v in found.items()} if isinstance(found, dict) else {}
        return {name: value for name, value in numbers.items() if value is not None}

    @cached_property
    def picture(self) -> Path | None:
        """The last sample grid."""
        found = (self.folder / "samples").glob("step_*.png")
        numbered = [(int(m[1]), path) for path in found if (m := re.fullmatch(r"step_(\d+)\.png", path.name))]
        return max(numbered)[1] if numbered else None


@dataclass
class Found:
    """Runs in a natural order, and the folders that hold something else, by what that is."""

    runs: list[Run] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)


def read(folders: Sequence[Path]) -> Found:
    """All runs at or below the folders, each once, in the order in which a person counts."""
    places: dict[Path, Path] = {}
    for top in folders:
        for place in sorted(_places(top), key=natural):
            places.setdefault(place.resolve(), place)
    base = _common(list(places))
    found = Found()
    for real, place in places.items():
        config, problems = read_config(place / SETTINGS)
        if (other := config.other) is not None:
            found.others[other] = found.others.get(other, 0) + 1
        else:
            name = real.name if len(places) == 1 else real.relative_to(base).as_posix()
            name = name.encode(errors="replace").decode()
            found.runs.append(_run(place, name, config, problems))
    return found


def _run(place: Path, name: str, config: Config, problems: list[str]) -> Run:
    outcome, summary = _summary(place)
    evaluations = _evaluations(place, problems)
    return Run(place, name, config, outcome, summary, _curves(place), evaluations, tuple(problems))


def natural(path: Path | str) -> list[tuple[int, str]]:
    """A key that puts 2 before 10.

    >>> sorted(["10", "2", "1-b"], key=natural)
    ['1-b', '2', '10']
    """
    parts = re.split(r"(\d+)", str(path))
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts if part]


def number(value: Any) -> float | None:
    """The value as a float, of the strings "NaN" and "±Infinity" too; None for anything else.

    >>> number(3), number("Infinity"), number(None), number(True), number("far")
    (3.0, inf, None, None, None)
    """
    if isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _places(top: Path) -> Iterator[Path]:
    """The folders that look like a run's; links are not followed."""
    for here, inner, files in os.walk(top):
        if SETTINGS in inner or SUMMARY in files or METRICS in files:
            yield Path(here)
        inner[:] = [name for name in inner if name not in _INNER]


def _common(places: list[Path]) -> Path:
    """The folder above all of them, which is none of them."""
    base = Path(os.path.commonpath(places)) if places else Path()
    return base.parent if base in places else base


def _json(path: Path) -> Any:
    """What a file holds; None where it is missing or torn."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _summary(place: Path) -> tuple[str, dict[str, Any]]:
    content = _json(place / SUMMARY)
    if isinstance(content, dict):
        outcome = str(content.get("outcome", "torn"))
        return ("pruned" if outcome == "stopped" and (place / PRUNED).exists() else outcome), content
    begun = any((place / name).exists() for name in (SUMMARY, METRICS))
    return ("torn" if begun else "empty"), {}


def _evaluations(place: Path, problems: list[str]) -> list[dict[str, Any]]:
    """The entries with a step and values, oldest first."""
    content = _json(place / EVALUATIONS)
    entries = content.get("evaluations") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        if (place / EVALUATIONS).exists():
            problems.append(f"{EVALUATIONS} is damaged")
        return []
    sound = [
        entry
        for entry in entries
        if isinstance(entry, dict)
        and isinstance(entry.get("values"), dict)
        and _whole(entry.get("step")) is not None
    ]
    return sorted(sound, key=lambda entry: str(entry.get("time", "")))


def _curves(place: Path) -> dict[str, Curve]:
    """What metrics.jsonl holds, without torn lines; a step that stands there twice counts as it was last."""
    found: dict[str, dict[int, float]] = {}
    try:
        lines = (place / METRICS).read_bytes().splitlines()
    except OSError:
        return {}
    for raw in lines:
        try:
            line = json.loads(raw)
            step = int(line["step"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            continue
        for name, value in line.items():
            if name not in WALL_CLOCK and (read := number(value)) is not None:
                found.setdefault(name, {})[step] = read
    return {name: _sorted(points) for name, points in found.items()}


def _sorted(points: dict[int, float]) -> Curve:
    steps = sorted(points)
    return steps, [points[step] for step in steps]


def _whole(value: Any) -> int | None:
    found = number(value)
    return int(found) if found is not None and found.is_integer() else None
