"""Published tables stand whole, and runs beside the rows that they match."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gan_cli.comparison import papers
from gan_cli.comparison.papers import Beside
from gan_cli.comparison.shares import shares
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


def test_shares_are_those_of_brute_force() -> None:
    draw = np.random.default_rng(0)
    values = draw.integers(0, 4, (5, 300)).astype(float)
    won = np.zeros(5)
    for image in values.T:
        best = image == image.min()
        won += best / best.sum()
    assert shares(values.tolist()) == pytest.approx(100 * won / 300)
    assert sum(shares(values.tolist())) == pytest.approx(100)


def inverted(folder: Path, steps: int, seed: int, errors: list[float], **settings: Any) -> None:
    said = entry(
        1000,
        "inversion",
        {"inversion_mse": sum(errors) / len(errors)},
        per_example={"inversion_mse": errors},
        settings={"images": len(errors), "seed": 0, **settings},
    )
    plant(folder, {"trick.unrolled.steps": steps, "seed": seed}, {"data": "cifar10"}, evaluations=[said])


def test_the_best_reconstructions_are_counted_seed_by_seed(tmp_path: Path, tabled: Tabled) -> None:
    for seed in (0, 1):
        inverted(tmp_path / f"0-{seed}", 0, seed, [2.0, 2.0, 2.0, 1.0])
        inverted(tmp_path / f"5-{seed}", 5, seed, [1.0, 1.0, 3.0, 1.0] if seed else [1.0, 3.0, 3.0, 3.0])
    inverted(tmp_path / "5-7", 5, 7, [0.0] * 4)  # K = 0 has no such seed: no contest
    found = papers.beside(papers.load("unrolled_inversion"), tabled())
    assert cells(found, "K = 0")["% best: ours"] == f"56.25 ± {abs(75 - 37.5) / math.sqrt(2):.2f}"
    assert cells(found, "K = 5")["% best: ours"] == f"43.75 ± {abs(25 - 62.5) / math.sqrt(2):.2f}"
    assert cells(found, "K = 10")["% best: ours"] == ""
    assert cells(found, "K = 0")["MSE: ours"] == "1.7500 ± 0.0000"


@pytest.mark.parametrize("other", [{"errors": [1.0] * 3}, {"pixel_range": [0, 1]}, {"examples": "unseen"}])
def test_different_images_are_no_contest(other: dict[str, Any], tmp_path: Path, tabled: Tabled) -> None:
    errors = other.pop("errors", [1.0] * 4)
    inverted(tmp_path / "a", 0, 0, [1.0] * 4)
    inverted(tmp_path / "b", 5, 0, errors, **other)
    found = papers.beside(papers.load("unrolled_inversion"), tabled())
    assert {row[4] for row in found.sheet.rows} == {""}
    assert any("different images" in note for note in found.notes)


def test_settings_without_a_common_seed_are_no_contest(tmp_path: Path, tabled: Tabled) -> None:
    inverted(tmp_path / "a", 0, 0, [1.0])
    inverted(tmp_path / "b", 5, 1, [2.0])
    found = papers.beside(papers.load("unrolled_inversion"), tabled())
    assert any("no seed in common" in note for note in found.notes)


def test_equals_share_an_image_and_nan_loses() -> None:
    assert shares([[1.0, math.nan], [1.0, 3.0], [2.0, 4.0]]) == [25.0, 75.0, 0.0]
    assert all(math.isnan(value) for value in shares([[math.nan], [math.nan]]))
    assert shares([[random.random()] * 3]) == [100.0]


def test_an_unknown_paper_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        InputError, match=r"paper=fgan_tabel4: there is none \(did you mean 'fgan_table4'\?\)"
    ):
        papers.load("fgan_tabel4")
