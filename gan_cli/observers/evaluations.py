"""What metrics find of a generator, as pictures and in evaluation.json with the protocol of each number."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gan_cli.errors import InputError
from gan_cli.files import write_atomic
from gan_cli.metrics.base import Measured, Metric
from gan_cli.observers.canvas import image_grid
from gan_cli.observers.logfile import LOGGER
from gan_cli.observers.metrics_log import plain_tree
from gan_cli.observers.recorder import Picture

NAME = "evaluation.json"
_SAME = ("metric", "settings", "step", "seed")

Entry = dict[str, Any]


def pictures(found: Mapping[str, Measured], pixel_range: tuple[float, float] | None) -> dict[str, Picture]:
    """The sheets of all metrics as pictures "<metric>_<sheet>"."""
    return {
        f"{metric}_{name}": image_grid(sheet.images, sheet.columns, pixel_range or (0.0, 1.0))
        for metric, measured in found.items()
        for name, sheet in measured.sheets.items()
    }


def entry(
    name: str,
    metric: Metric,
    found: Measured,
    settings: Mapping[str, Any],
    step: int,
    seed: int,
    checkpoint: str | None = None,
) -> Entry:
    """One metric's findings as plain values.

    settings: those of its yaml; seed: of the random numbers; checkpoint: the file that the generator came
    from, None where it came from the training itself.
    """
    return {
        "metric": name,
        "step": step,
        "seed": seed,
        "checkpoint": checkpoint,
        "about": metric.about,
        "better": dict(metric.better),
        "values": {key: float(value) for key, value in found.values.items()},
        "per_example": {key: value.double().cpu().tolist() for key, value in found.per_example.items()},
        "settings": dict(settings),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def read(folder: Path) -> list[Entry]:
    """A run's entries, oldest first; none if there is no file. Raises InputError for a damaged one."""
    try:
        content = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return [dict(one) for one in content["evaluations"]]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / NAME} is damaged: remove it, and evaluate again") from error


def record(folder: Path, entries: Sequence[Entry]) -> None:
    """Add the entries to a run's file; each takes the place of one of the same metric, settings, step and
    seed. Several processes may do so at once. A damaged file is put aside as evaluation.json.damaged."""
    new = [plain_tree(one) for one in entries]
    known = [[one.get(key) for key in _SAME] for one in new]
    with _alone(folder):
        try:
            there = read(folder)
        except InputError as error:
            LOGGER.warning("%s; it is kept as %s.damaged", error, NAME)
            (folder / NAME).rename(folder / f"{NAME}.damaged")
            there = []
        old = [one for one in there if [one.get(key) for key in _SAME] not in known]
        content = {"evaluations": [*old, *new]}
        write_atomic(folder / NAME, json.dumps(content, indent=1, allow_nan=False) + "\n")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's findings against other processes, where the file system keeps locks."""
    with (folder / ".evaluation.lock").open("a") as file:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
