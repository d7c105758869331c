"""The tables of gan-eval: numbers as gan-compare writes them, runs in its order."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_cli.cli import findings
from gan_cli.cli.finished import runs_below
from gan_cli.comparison import runs
from gan_cli.comparison.text import rounded
from gan_cli.metrics.directions import BETTER
from gan_cli.observers import evaluation
from tests.comparison.planted import entry, plant


def test_numbers_are_written_as_gan_compare_writes_them(capsys: pytest.CaptureFixture[str]) -> None:
    values = {"a": 0.12345678, "b": float("nan"), "c": -526.0812, "c_error": 3.0123, "d": float("inf")}
    findings.show([("run", entry(1, "kde", values))])
    lines = capsys.readouterr().out.splitlines()[2:]
    shown = [line.replace("run", "").replace(" 1 ", "").split(maxsplit=1) for line in lines]
    numbers = {name: value.strip() for name, value in shown}
    assert numbers == {
        "a": rounded(values["a"]),
        "b": "NaN",
        "c": "-526.1 ± 3.0",
        "d": "∞",
    }


def test_runs_are_in_the_order_of_gan_compare(tmp_path: Path) -> None:
    for name in ("10", "9", "a²", "²", "b/2", "b/10", "b-1"):
        plant(tmp_path / name)
    assert runs_below(tmp_path) == [run.folder for run in runs.read([tmp_path]).runs]


def test_the_ways_of_what_is_always_measured_stand_in_one_place() -> None:
    assert evaluation.BETTER is BETTER
