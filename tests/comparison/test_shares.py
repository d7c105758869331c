"""Of how many images each setting's reconstruction is the best, and when that cannot be said."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gan_cli.comparison import papers
from gan_cli.comparison.papers import Beside
from gan_cli.comparison.shares import shares
from tests.comparison.conftest import Tabled
from tests.comparison.planted import entry, plant

IMAGES = [11.0, 12.0, 13.0, 14.0]


def beside(tabled: Tabled) -> Beside:
    """The planted runs in the table of reconstructions."""
    return papers.beside(papers.load("unrolled_inversion"), tabled())


def cells(found: Beside, name: str) -> dict[str, str]:
    """The row of that name, by title."""
    (row,) = [row for row in found.sheet.rows if row[0] == name]
    return dict(zip(found.sheet.titles, row, strict=True))


def test_shares_are_those_of_brute_force() -> None:
    draw = np.random.default_rng(0)
    values = draw.integers(0, 4, (5, 300)).astype(float)
    won = np.zeros(5)
    for image in values.T:
        best = image == image.min()
        won += best / best.sum()
    assert shares(values.tolist()) == pytest.approx(100 * won / 300)
    assert sum(shares(values.tolist())) == pytest.approx(100)


def inverted(
    folder: Path,
    steps: int,
    seed: int,
    errors: list[float],
    images: list[float] | None = None,
    **settings: Any,
) -> None:
    said = entry(
        1000,
        "inversion",
        {"inversion_mse": sum(errors) / len(errors)},
        per_example={"inversion_mse": errors} | ({"inversion_mse_digest": images} if images else {}),
        settings={"images": len(errors), "seed": 0, **settings},
    )
    plant(folder, {"trick.unrolled.steps": steps, "seed": seed}, {"data": "cifar10"}, evaluations=[said])


def test_the_best_reconstructions_are_counted_seed_by_seed(tmp_path: Path, tabled: Tabled) -> None:
    for seed in (0, 1):
        inverted(tmp_path / f"0-{seed}", 0, seed, [2.0, 2.0, 2.0, 1.0])
        inverted(tmp_path / f"5-{seed}", 5, seed, [1.0, 1.0, 3.0, 1.0] if seed else [1.0, 3.0, 3.0, 3.0])
    inverted(tmp_path / "5-7", 5, 7, [0.0] * 4)  # K = 0 has no such seed: no contest
    found = beside(tabled)
    assert cells(found, "K = 0")["% best: ours"] == f"56.25 ± {abs(75 - 37.5) / math.sqrt(2):.2f}"
    assert cells(found, "K = 5")["% best: ours"] == f"43.75 ± {abs(25 - 62.5) / math.sqrt(2):.2f}"
    assert cells(found, "K = 10")["% best: ours"] == ""
    assert cells(found, "K = 0")["MSE: ours"] == "1.7500 ± 0.0000"


@pytest.mark.parametrize(
    "other", [{"errors": [1.0] * 3}, {"examples": "unseen"}, {"images": [11.0, 12.0, 13.0, 15.0]}]
)
def test_different_images_are_no_contest(other: dict[str, Any], tmp_path: Path, tabled: Tabled) -> None:
    b = {"errors": [1.0] * 4, "images": IMAGES} | other
    inverted(tmp_path / "a", 0, 0, [1.0] * 4, IMAGES)
    inverted(tmp_path / "b", 5, 0, **b)
    found = beside(tabled)
    assert {row[4] for row in found.sheet.rows} == {""}
    assert any("different images" in note for note in found.notes)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"restarts": 10}, "restarts=50; or restarts=10"),
        ({"evaluations": 1000}, "evaluations=10; or evaluations=1000"),
        ({"pixel_range": [0, 1]}, "pixel_range=null; or pixel_range=[0, 1]"),
    ],
)
def test_unequal_searches_are_no_contest(
    other: dict[str, Any], told: str, tmp_path: Path, tabled: Tabled
) -> None:
    search = {"restarts": 50, "evaluations": 10, "pixel_range": None}
    inverted(tmp_path / "a", 0, 0, [1.0] * 4, IMAGES, **search)
    inverted(tmp_path / "b", 5, 0, [2.0] * 4, IMAGES, **(search | other))
    found = beside(tabled)
    assert {row[4] for row in found.sheet.rows} == {""}
    assert f"no share: the runs' inversion_mse were measured in different ways: {told}" in found.notes


def test_what_only_bounds_the_memory_may_differ(tmp_path: Path, tabled: Tabled) -> None:
    for seed in (0, 1):
        inverted(tmp_path / f"a{seed}", 0, seed, [1.0] * 4, IMAGES, at_once=8 << seed)
        inverted(tmp_path / f"b{seed}", 5, seed, [2.0] * 4, IMAGES, at_once=1024)
    found = beside(tabled)
    assert cells(found, "K = 0")["% best: ours"] == "100.00 ± 0.00"
    assert cells(found, "K = 0")["MSE: ours"] == "1.0000 ± 0.0000"
    assert not any("digest" in note or "different" in note for note in found.notes)


def test_images_without_digests_are_taken_at_their_word(tmp_path: Path, tabled: Tabled) -> None:
    inverted(tmp_path / "a", 0, 0, [1.0] * 4, IMAGES)
    inverted(tmp_path / "b", 5, 0, [2.0] * 4)
    found = beside(tabled)
    assert cells(found, "K = 0")["% best: ours"] == "100.00"
    assert any("kept no digests" in note for note in found.notes)


def test_settings_without_a_common_seed_are_no_contest(tmp_path: Path, tabled: Tabled) -> None:
    inverted(tmp_path / "a", 0, 0, [1.0])
    inverted(tmp_path / "b", 5, 1, [2.0])
    found = beside(tabled)
    assert any("no seed in common" in note for note in found.notes)


def test_equals_share_an_image_and_nan_loses() -> None:
    assert shares([[1.0, math.nan], [1.0, 3.0], [2.0, 4.0]]) == [25.0, 75.0, 0.0]
    assert all(math.isnan(value) for value in shares([[math.nan], [math.nan]]))
    assert shares([[0.1 + 0.2, 0.3]]) == [100.0]
