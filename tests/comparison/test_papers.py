"""Published tables stand whole, and runs beside the rows that they match."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from gan_cli.comparison import papers
from gan_cli.comparison.papers import Beside
from gan_cli.errors import InputError
from tests.comparison.conftest import Tabled
from tests.comparison.planted import entry, plant

SHIFT = 784 * math.log(1.25)


def kde(value: float, unit: list[float] | None = None, **values: float) -> list[dict[str, Any]]:
    return [entry(1000, "kde", {"kde": value, **values}, settings={"pixel_range": unit})]


def cells(found: Beside, name: str) -> dict[str, str]:
    """The row of that name, by title."""
    (row,) = [row for row in found.sheet.rows if row[0] == name]
    return dict(zip(found.sheet.titles, row, strict=True))


@pytest.mark.parametrize("name", papers.names())
def test_a_table_is_whole_where_nothing_was_run(name: str, tmp_path: Path, tabled: Tabled) -> None:
    plant(tmp_path / "other", {"trick.unrolled.steps": 7}, {"data": "ring", "loss": "wgan"})
    paper = papers.load(name)
    found = papers.beside(paper, tabled())
    assert [row[0] for row in found.sheet.rows] == [str(rule["name"]) for rule in paper.rows]
    assert all(len(row) == len(found.sheet.titles) for row in found.sheet.rows)
    ours = [i for i, title in enumerate(found.sheet.titles) if title.endswith(": ours") or title == "runs"]
    assert {row[i] for row in found.sheet.rows for i in ours} == {""}
    assert f"no row of {name} for: other" in found.notes
    for column in paper.columns:  # every published number has its place
        assert any(column.published in rule.get("paper", {}) for rule in paper.rows)


def test_published_numbers_are_those_of_the_papers(tmp_path: Path, tabled: Tabled) -> None:
    plant(tmp_path / "a")
    table = tabled()
    table4 = papers.beside(papers.load("fgan_table4"), table)
    published = {row[0]: row[1] for row in table4.sheet.rows}
    assert published == {
        "KL": "416.0 ± 5.6",
        "reverse KL": "319.0 ± 8.4",
        "Pearson χ²": "429.0 ± 5.5",
        "Neyman χ²": "300.0 ± 8.3",
        "squared Hellinger": "-708.0 ± 18.1",
        "Jeffreys": "-2101.0 ± 29.9",
        "Jensen–Shannon": "367.0 ± 8.2",
        "GAN": "305.0 ± 9.0",
        "VAE": "445.0 ± 5.4",
        "training images": "502.0 ± 6.0",
    }
    assert cells(table4, "KL")["nats on [0, 1]: paper"] == "241.1 ± 5.6"
    stacked = papers.beside(papers.load("unrolled_stacked_mnist"), table)
    assert cells(stacked, "size ½, K = 10")["modes: paper"] == "817.4 ± 37.9"
    assert cells(stacked, "size ¼, K = 0")["KL: paper"] == "5.99 ± 0.42"
    inversion = papers.beside(papers.load("unrolled_inversion"), table)
    assert sum(float(row[3]) for row in inversion.sheet.rows) == pytest.approx(100)


@pytest.mark.parametrize("unit", [None, [0.0, 1.0], [0.1, 0.9], [-1.0, 1.0]])
def test_log_densities_are_put_into_the_papers_unit(
    unit: list[float] | None, tmp_path: Path, tabled: Tabled
) -> None:
    low, high = unit or (0.0, 1.0)
    in_unit = [200.0 - 784 * math.log(high - low) + extra for extra in (0.0, 2.0)]
    for seed, value in enumerate(in_unit):
        training = {"kde_training": value + 100}
        plant(tmp_path / str(seed), {"seed": seed}, evaluations=kde(value, unit, **training))
    found = papers.beside(papers.load("fgan_table4"), tabled())
    row = cells(found, "KL")
    assert row["nats on [0, 1]: ours"] == "201.0 ± 1.4"
    assert row["nats at width 0.8: ours"] == f"{201 + SHIFT:.1f} ± 1.4"
    assert row["runs"] == "2"
    assert cells(found, "training images")["nats on [0, 1]: ours"] == "301.0 ± 1.4"
    assert not any(note.startswith("no row") for note in found.notes)


def test_the_unit_is_that_of_the_number_shown(tmp_path: Path, tabled: Tabled) -> None:
    last = entry(1000, "kde", {"kde": 100.0}, settings={"pixel_range": [0.1, 0.9]})
    earlier = entry(
        500, "kde", {"kde": 7.0}, settings={"pixel_range": [-1, 1]}, time="2027-01-01T00:00:00+00:00"
    )
    plant(tmp_path / "a", evaluations=[last, earlier])
    plant(
        tmp_path / "b",  # nothing but the log: the run's own settings say the unit
        {"metric.kde.pixel_range": [0.1, 0.9]},
        {"loss": "fgan_js"},
        {"evaluation/kde": [(1000, 100.0)]},
    )
    found = papers.beside(papers.load("fgan_table4"), tabled())
    assert cells(found, "KL")["nats at width 0.8: ours"] == "100.0"
    assert cells(found, "Jensen–Shannon")["nats at width 0.8: ours"] == "100.0"


def test_settings_of_one_row_have_a_line_each(tmp_path: Path, tabled: Tabled) -> None:
    for number, width in enumerate([240, 480]):
        plant(tmp_path / str(number), {"model.width": width}, evaluations=kde(100.0 + number))
    rows = papers.beside(papers.load("fgan_table4"), tabled()).sheet.rows
    assert [row[0] for row in rows[:3]] == ["KL (model.width=240)", "(model.width=480)", "reverse KL"]
    assert [row[4] for row in rows[:2]] == ["100.0", "101.0"]
    assert [row[1] for row in rows[:2]] == ["416.0 ± 5.6", ""]


@pytest.mark.parametrize("by", [["steps"], ["model.width"], ["trick"]])
def test_no_row_holds_runs_of_another_whatever_the_groups(
    by: list[str], tmp_path: Path, tabled: Tabled
) -> None:
    for number, loss in enumerate(["fgan_kl", "fgan_js", "wgan"]):
        for seed in (0, 1):
            value = 100.0 * number + seed
            plant(tmp_path / f"{loss}{seed}", {"seed": seed}, {"loss": loss}, evaluations=kde(value))
    found = papers.beside(papers.load("fgan_table4"), tabled(by=by))
    ours = {row[0]: (row[4], row[5]) for row in found.sheet.rows if row[5]}
    assert ours == {"KL": ("0.5 ± 0.7", "2"), "Jensen–Shannon": ("100.5 ± 0.7", "2")}
    assert "no row of fgan_table4 for: wgan0, wgan1" in found.notes


def test_a_row_of_several_units_is_one_mean_and_of_several_protocols_none(
    tmp_path: Path, tabled: Tabled
) -> None:
    for seed, (unit, width) in enumerate([([0.0, 1.0], 1.0), ([0.1, 0.9], 0.8)]):
        said = [
            entry(
                1000,
                "kde",
                {"kde": 100.0 - 784 * math.log(width) + seed},
                settings={"samples": 10, "pixel_range": unit},
                about=f"pixels in {unit}",
            )
        ]
        plant(tmp_path / f"units{seed}", {"seed": seed}, evaluations=said)
        said = [entry(1000, "kde", {"kde": 100.0}, settings={"samples": 10 + seed})]
        plant(tmp_path / f"sizes{seed}", {"seed": seed}, {"loss": "fgan_js"}, evaluations=said)
    found = papers.beside(papers.load("fgan_table4"), tabled())
    assert cells(found, "KL")["nats on [0, 1]: ours"] == "100.5 ± 0.7"
    assert cells(found, "Jensen–Shannon")["nats on [0, 1]: ours"] == ""
    told = [note for note in found.notes if "no mean" in note]
    assert told == ["Jensen–Shannon: no mean of kde, samples=10; or samples=11"]


def test_a_metric_that_nobody_measured_is_told(tmp_path: Path, tabled: Tabled) -> None:
    plant(tmp_path / "a", metrics={"evaluation/spread": [(1, 1.0)]})
    found = papers.beside(papers.load("fgan_table4"), tabled())
    assert any(note.startswith("no run has kde:") for note in found.notes)
    assert cells(found, "KL")["runs"] == "1"


def test_k_and_the_critics_size_find_their_row(tmp_path: Path, tabled: Tabled) -> None:
    stacked = {"data": "stacked_mnist", "model": "stacked"}
    settings: list[dict[str, Any]] = [{}, {"trick.unrolled.steps": 10}, {"trick.packing.samples": 2}]
    penalties = {"trick.r1.gamma": 1.0, "trick.r2.gamma": 1.0}
    said = [entry(1000, "stacked_modes", {"stacked_modes": 999.0, "stacked_kl": 0.05})]
    modern = {"data": "stacked_mnist", "model": "dcgan", "loss": "rpgan"}
    plant(tmp_path / "modern", penalties, modern, evaluations=said)
    for number, more in enumerate(settings):
        said = [entry(1000, "stacked_modes", {"stacked_modes": 100.0 + number, "stacked_kl": 1.0})]
        plant(tmp_path / str(number), {"model.critic.width": 4, **more}, stacked, evaluations=said)
    found = papers.beside(papers.load("unrolled_stacked_mnist"), tabled())
    ours = {row[0]: row[2] for row in found.sheet.rows if row[2]}
    assert ours == {
        "size ½, K = 0": "100.0",
        "size ½, K = 10": "101.0",
        "size ½, PacGAN2": "102.0",
        "RpGAN + R1 + R2": "999",
    }


def test_an_unknown_paper_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        InputError, match=r"paper=fgan_tabel4: there is none \(did you mean 'fgan_table4'\?\)"
    ):
        papers.load("fgan_tabel4")
