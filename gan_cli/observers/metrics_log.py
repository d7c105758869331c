"""metrics.jsonl: a line of strictly valid JSON for each logged step."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gan_cli.files import Appender, sweep, write_atomic
from gan_cli.observers.base import Outcome, Run
from gan_cli.observers.recorder import RATES, Scalars, Sink

NAME = "metrics.jsonl"
WALL_CLOCK = ("time", *RATES)
"""The keys that differ between two runs of the same config: seconds since 1970, and rates."""


class MetricsLog(Sink):
    """Appends `{"step": …, "time": …, "generator/loss": …, …}`; NaN and ±∞ are strings that float() reads."""

    def open(self, run: Run) -> Scalars:
        sweep(run.folder)
        path = run.folder / NAME
        lines = [line for line in read(path) if line["step"] <= run.start_step]
        if path.exists():
            write_atomic(path, "".join(map(dumps, lines)))
        self._file = Appender(path)
        last: dict[str, float] = {}
        for line in lines:
            last |= line
        return {name: value for name, value in last.items() if name not in ("step", *WALL_CLOCK)}

    def scalars(self, step: int, values: Scalars) -> None:
        self._file.write(dumps({"step": step, "time": round(time.time(), 3), **values}).encode())

    def sync(self) -> None:
        self._file.sync()

    def close(self, outcome: Outcome) -> None:
        self._file.close()


def dumps(values: Scalars) -> str:
    r"""One line of JSON, in which what is not finite is a string.

    >>> dumps({"step": 1, "loss": float("inf")})
    '{"step": 1, "loss": "Infinity"}\n'
    """
    return json.dumps({name: plain(value) for name, value in values.items()}, allow_nan=False) + "\n"


def plain(value: float) -> float | str:
    """The value, or "NaN", "Infinity" or "-Infinity": JSON has no such numbers, and float() reads these."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def plain_tree(value: Any) -> Any:
    """Plain containers with every float in them as `plain` has it, for JSON that every reader takes."""
    if isinstance(value, Mapping):
        return {str(name): plain_tree(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain_tree(inner) for inner in value]
    return plain(value) if isinstance(value, float) else value


def read(path: Path) -> list[dict[str, float]]:
    """The lines of a metrics.jsonl as numbers, oldest first, without torn ones; none if there is no file."""
    found: list[dict[str, float]] = []
    for raw in path.read_bytes().splitlines(keepends=True) if path.exists() else []:
        try:
            line = {name: float(value) for name, value in json.loads(raw).items()}
            line["step"] = int(line["step"])
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if raw.endswith(b"\n"):
            found.append(line)
    return found
