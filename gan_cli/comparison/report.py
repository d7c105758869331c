"""One HTML file with table, curves, sample grids and settings, which loads nothing and needs no server."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from gan_cli.comparison.images import embed
from gan_cli.comparison.numbers import EVALUATION
from gan_cli.comparison.papers import Beside
from gan_cli.comparison.runs import Curve
from gan_cli.comparison.table import Number, Row, Table
from gan_cli.comparison.text import By, Which, ended, exact, word

_ASSETS = Path(__file__).parent / "assets"
_SCRIPTS = ("dom", "table", "curves", "samples", "run", "main")
_NUMBERS = 400_000
"""Numbers in all curves together; more are thinned out."""
_LEAST_POINTS, _MOST_POINTS = 40, 1000


def page(
    table: Table, beside: Beside | None, notes: Sequence[str], which: Which = "last", by: By = "group"
) -> str:
    """The whole page, which shows at first what `which` and `by` say.

    Its policy forbids every address but those inside it, and every script but its own.
    """
    style = (_ASSETS / "report.css").read_text(encoding="utf-8")
    parts = [(_ASSETS / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS]
    script = "(() => {\n'use strict';\n" + "\n".join(parts) + "})();\n"
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    whole = (_ASSETS / "report.html").read_text(encoding="utf-8")
    content = _content(table, beside, notes) | {"which": which, "by": by}
    pieces = {"POLICY": policy, "STYLE": style, "SCRIPT": script, "TITLE": html.escape(content["title"])}
    for name, text in pieces.items():
        whole = whole.replace(f"<!--{name}-->", text)
    data = json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return whole.replace("<!--DATA-->", data)  # last: nothing in it is looked at again


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _content(table: Table, beside: Beside | None, notes: Sequence[str]) -> dict[str, Any]:
    """All that the page shows, as plain values."""
    count = len(table.runs)
    common, own = _settings(table)
    index = {id(run): number for number, run in enumerate(table.runs)}
    return {
        "title": f"{count} run{'s' * (count != 1)} compared",
        "made": f"{datetime.now():%Y-%m-%d %H:%M}",
        "notes": list(notes),
        "spread": table.spread,
        "paper": None if beside is None else _paper(beside),
        "keys": [table.titles[key] for key in table.keys],
        "differ": [table.titles[key] for key in table.differ],
        "metrics": [
            {"name": name, "better": table.better.get(name), "about": table.about.get(name)}
            for name in table.metrics
        ],
        "groups": [_row(row, [index[id(run)] for run in row.runs]) for row in table.groups],
        "runs": _runs(table, own),
        "common": common,
        "curves": _curves(table),
    }


def _paper(beside: Beside) -> dict[str, Any]:
    sheet = beside.sheet
    return {
        "title": beside.title,
        "titles": sheet.titles,
        "rows": sheet.rows,
        "numeric": sheet.numeric,
        "notes": beside.notes,
    }


def _row(row: Row, members: list[int]) -> dict[str, Any]:
    """settings: text, and a number where it is one; last, best: [value, error, n, step] by metric."""
    return {
        "runs": members,
        "counted": len(row.counted),
        "settings": [_setting(value) for value in row.settings],
        "outcome": ended(row),
        "last": {name: _number(found) for name, found in row.last.items()},
        "best": {name: _number(found) for name, found in row.best.items()},
    }


def _runs(table: Table, own: Sequence[list[list[str]]]) -> list[dict[str, Any]]:
    pictures = embed([run.picture for run in table.runs])
    found = []
    for row, settings, picture in zip(table.single, own, pictures, strict=True):
        run = row.runs[0]
        found.append(
            _row(row, [])
            | {
                "name": run.name,
                "folder": str(run.folder.absolute()).encode(errors="replace").decode(),
                "failure": run.failure,
                "problems": list(run.problems),
                "step": run.step,
                "steps": run.steps,
                "seed": run.seed,
                "config": settings,
                "picture": None if picture is None else [picture.address, picture.width, picture.height],
                "pictureName": None if run.picture is None else run.picture.name,
            }
        )
    return found


def _settings(table: Table) -> tuple[list[list[str]], list[list[list[str]]]]:
    """What all runs have in common, and each run's own: [key, value] as text."""
    flats = []
    for run in table.runs:  # a group's option stands above what it set
        whole = {**run.config.options, **run.config.flat()}
        flats.append({key: exact(value) or "null" for key, value in whole.items()})
    shared = dict(flats[0]) if flats else {}
    for flat in flats:
        shared = {key: value for key, value in shared.items() if flat.get(key) == value}
    own = [[[key, value] for key, value in flat.items() if key not in shared] for flat in flats]
    return [[key, value] for key, value in shared.items()], own


def _curves(table: Table) -> dict[str, Any]:
    """steps: the lists of steps that occur; by metric and run's number [which of them, the values]."""
    curves = [
        (name.removeprefix(EVALUATION), str(number), curve)
        for number, run in enumerate(table.runs)
        for name, curve in run.curves.items()
    ]
    most = max(_LEAST_POINTS, min(_MOST_POINTS, _NUMBERS // max(1, len(curves))))
    steps: dict[tuple[int, ...], int] = {}
    values: dict[str, dict[str, Any]] = {}
    for name, number, curve in curves:
        at, thin = thinned(curve, most)
        found = [_short(value) for value in thin]
        if any(value is not None for value in found):
            values.setdefault(name, {})[number] = [steps.setdefault(tuple(at), len(steps)), found]
    first = [name for name in table.metrics if name in values]
    order = [*first, *sorted(name for name in values if name not in first)]
    return {"steps": [list(at) for at in steps], "values": {name: values[name] for name in order}}


def thinned(curve: Curve, most: int) -> Curve:
    """At most `most` points: of every stretch the lowest and the highest, and both ends.

    >>> thinned(([0, 1, 2, 3, 4, 5], [0.0, 1.0, 9.0, -3.0, 2.0, 2.0]), 4)
    ([0, 2, 3, 5], [0.0, 9.0, -3.0, 2.0])
    """
    steps, values = curve
    if len(steps) <= most:
        return curve
    inner = range(1, len(steps) - 1)
    stretches = max(1, (most - 2) // 2)
    kept = {0, len(steps) - 1}
    for part in range(stretches):
        stretch = inner[part * len(inner) // stretches : (part + 1) * len(inner) // stretches]
        finite = [i for i in stretch if math.isfinite(values[i])] or list(stretch)
        kept |= (
            {min(finite, key=values.__getitem__), max(finite, key=values.__getitem__)} if finite else set()
        )
    order = sorted(kept)
    return [steps[i] for i in order], [values[i] for i in order]


def _setting(value: Any) -> list[Any]:
    plain = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return [word(value), value if plain else None]


def _number(found: Number) -> list[Any]:
    return [_finite(found.value), None if found.error is None else _finite(found.error), found.n, found.step]


def _finite(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"


def _short(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None
