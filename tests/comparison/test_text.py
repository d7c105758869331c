"""The table as text holds what the table holds."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from gan_cli.cli.tables import fitted
from gan_cli.comparison import text
from gan_cli.comparison.text import Sheet
from tests.comparison.conftest import Tabled
from tests.comparison.planted import entry, plant

Logged = dict[str, list[tuple[int, Any]]]


@pytest.fixture
def two(tmp_path: Path) -> None:
    """Two losses, two seeds each; a metric with a better way and one without."""
    for number, value in enumerate([1 / 3, 2.0, 30.0, "NaN"]):
        logged: Logged = {
            "evaluation/kde": [(500, 40.0), (1000, value)],
            "evaluation/spread": [(1000, 0.5 * number)],
        }
        loss = ["wgan", "hinge"][number // 2]
        said = [entry(400, "kde", {"kde": 2.0}, better={"kde": "higher"})]
        plant(tmp_path / f"run_{number}", {"seed": number % 2}, {"loss": loss}, logged, said)


def test_comma_separated_numbers_are_whole(two: None, tabled: Tabled) -> None:
    lines = list(csv.DictReader(io.StringIO(text.comma_separated(tabled(), "run"))))
    assert [line["run"] for line in lines] == ["run_0", "run_1", "run_2", "run_3"]
    assert [line["loss"] for line in lines] == ["wgan", "wgan", "hinge", "hinge"]
    assert float(lines[0]["kde"]) == 1 / 3
    assert lines[3]["kde"] == "nan"
    assert [line["kde_best"] for line in lines] == ["40.0"] * 4
    assert "spread_best" not in lines[0]
    groups = list(csv.DictReader(io.StringIO(text.comma_separated(tabled()))))
    assert [(line["loss"], line["runs"], line["counted"]) for line in groups] == [
        ("hinge", "2", "2"),
        ("wgan", "2", "2"),
    ]
    assert float(groups[1]["spread"]) == 0.25
    assert float(groups[1]["spread_error"]) == pytest.approx(0.25)


def test_sheets_show_settings_and_numbers(two: None, tabled: Tabled) -> None:
    made = tabled()
    groups = text.sheet(made)
    assert groups.titles == ["loss", "runs", "outcome", "kde", "spread"]
    assert groups.rows[0] == ["hinge", "2", "done", "NaN", "1.25 ± 0.25"]
    best = text.sheet(made, "run", "best")
    assert best.titles == ["run", "loss", "seed", "outcome", "best kde"]
    assert best.rows[0] == ["run_0", "wgan", "0", "done", "40"]


def test_markdown_is_a_table_whatever_names_hold(tmp_path: Path, tabled: Tabled) -> None:
    plant(tmp_path / "a|b", {"model.activation": "x|*y*<b>"}, metrics={"evaluation/kde": [(1, 1.0)]})
    plant(tmp_path / "c", {"model.activation": "`"})
    lines = text.markdown([("", text.sheet(tabled(), "run"))], ["one|two"]).splitlines()
    assert lines[0] == "| run | activation | seed | outcome | kde |"
    assert lines[1] == "| --- | --- | --- | --- | ---: |"
    assert lines[2] == r"| a\|b | x\|\*y\*\<b\> | 0 | done | 1 |"
    assert lines[3] == r"| c | \` | 0 | done |  |"
    assert lines[-1] == r"- one\|two"


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (416.2, 5.62, "416.2 ± 5.6"),
        (-2101.4, 29.9, "-2101 ± 30"),
        (0.5, None, "0.5"),
        (0.01234567, 0.0002, "0.01235 ± 0.00020"),
        (3.0, 0.0, "3 ± 0"),
        (1e9, 1e8, "1e+09 ± 1e+08"),
        (float("nan"), None, "NaN"),
        (float("-inf"), 1.0, "-∞"),
        (2.0, float("nan"), "2"),
        (8.0, 1500.0, "8 ± 1500"),
    ],
)
def test_numbers_are_rounded_to_their_error(value: float, error: float | None, shown: str) -> None:
    assert text.rounded(value, error) == shown


def test_a_sheet_too_wide_goes_on_below() -> None:
    sheet = Sheet(["loss", "runs", "first", "second", "third"], [["wgan", "3", "1 ± 2", "3", "4"]], 3)
    assert fitted(sheet, 200) == [sheet]
    parts = fitted(sheet, 30)
    assert [part.titles for part in parts] == [["loss", "runs", "first", "second"], ["loss", "runs", "third"]]
    assert [part.rows[0] for part in parts] == [["wgan", "3", "1 ± 2", "3"], ["wgan", "3", "4"]]


def test_many_settings_become_one_column_of_words() -> None:
    sheet = Sheet(
        ["loss", "width", "outcome", "kde"], [["wgan", "64", "done", "1"], ["", "8", "done", ""]], 1
    )
    (part,) = fitted(sheet, 25)
    assert part.titles == ["", "kde"]
    assert part.rows == [["loss=wgan width=64 outcome=done", "1"], ["width=8 outcome=done", ""]]


def test_settings_have_five_digits_and_all_of_them_in_csv(tmp_path: Path, tabled: Tabled) -> None:
    for number, rate in enumerate([1e-4, 0.00012345678]):
        plant(tmp_path / str(number), {"optimizer.critic.lr": rate})
    made = tabled()
    assert [row[0] for row in text.sheet(made).rows] == ["0.0001", "0.00012346"]
    assert "0.00012345678" in text.comma_separated(made)


def test_a_run_under_way_tells_how_far_it_is(tmp_path: Path, tabled: Tabled) -> None:
    plant(tmp_path / "a", outcome="running", step=300)
    plant(tmp_path / "b", {"batch_size": 8}, outcome="failed", step=7)
    rows = tabled().groups
    assert [text.ended(row) for row in rows] == ["failed at 7/1000", "running at 300/1000"]


def test_a_mean_of_fewer_runs_than_the_row_has_is_marked(tmp_path: Path, tabled: Tabled) -> None:
    for seed in range(3):
        logged: Logged = {"evaluation/spread": [(1, 1.0)]} | ({"evaluation/kde": [(1, 2.0)]} if seed else {})
        plant(tmp_path / str(seed), {"seed": seed}, metrics=logged)
    made = tabled()
    assert text.sheet(made).rows == [["0, 1, 2", "3", "done", "1 ± 0", "2 ± 0 (of 2)"]]
    (line,) = csv.DictReader(io.StringIO(text.comma_separated(made)))
    assert (line["spread_runs"], line["kde_runs"]) == ("3", "2")
