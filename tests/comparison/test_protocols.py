"""Numbers that came about in different ways are not averaged, and that is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gan_cli.comparison.numbers import Point
from gan_cli.comparison.protocols import alike
from tests.comparison.conftest import Tabled
from tests.comparison.planted import entry, plant

LAYERS: list[tuple[Mapping[str, Any], float]] = [
    ({"samples": 10, "pixel_range": [0.0, 1.0]}, 300.0),
    ({"samples": 10, "pixel_range": [0.1, 0.9]}, 475.0),
]


def logged(folder: Path, seed: int, settings: Mapping[str, Any], value: float) -> None:
    plant(
        folder,
        {"seed": seed, "metric.kde": dict(settings)},
        metrics={"evaluation/kde": [(1000, value)], "evaluation/kde_training": [(1000, value)]},
    )


def test_logged_numbers_of_different_units_have_no_mean(tmp_path: Path, tabled: Tabled) -> None:
    for seed, (settings, value) in enumerate(LAYERS):
        logged(tmp_path / str(seed), seed, settings, value)
    made = tabled()
    (row,) = made.groups
    assert row.last == {}
    ways = "pixel_range=[0.0, 1.0]; or pixel_range=[0.1, 0.9]"
    for name in ("kde", "kde_training"):
        assert f"{name} was measured in different ways, so there is no mean of 0, 1: {ways}" in made.notes
    assert [one.last["kde"].value for one in made.single] == [300.0, 475.0]


def test_logged_numbers_of_one_protocol_have_one(tmp_path: Path, tabled: Tabled) -> None:
    for seed, at_once in enumerate([16, 1024]):
        logged(tmp_path / str(seed), seed, {"samples": 10, "at_once": at_once}, float(seed))
    made = tabled()
    assert made.groups[0].last["kde"].value == 0.5
    assert not any("different ways" in note for note in made.notes)


def test_a_metric_is_found_by_its_entries_where_its_numbers_have_other_names(
    tmp_path: Path, tabled: Tabled
) -> None:
    for seed, steps in enumerate([500, 700]):
        plant(
            tmp_path / str(seed),
            {"seed": seed, "metric.critic_refit": {"steps": steps}},
            metrics={"evaluation/refit_bound": [(900, 2.0), (1000, 1.0 + seed)]},
            evaluations=[entry(900, "critic_refit", {"refit_bound": 2.0}, settings={"steps": steps})],
        )
    made = tabled()
    assert made.groups[0].last == {}
    assert any(note.endswith("steps=500; or steps=700") for note in made.notes)


def test_entries_with_the_same_words_differ_by_their_settings(tmp_path: Path, tabled: Tabled) -> None:
    for seed, samples in enumerate([100, 200]):
        said = [entry(1000, "kde", {"kde": 1.0}, settings={"samples": samples})]
        plant(tmp_path / str(seed), {"seed": seed}, evaluations=said)
    made = tabled()
    assert made.groups[0].last == {}
    assert any(note.endswith("samples=100; or samples=200") for note in made.notes)


def test_the_best_are_held_apart_by_themselves(tmp_path: Path, tabled: Tabled) -> None:
    for seed in (0, 1):
        better, small = {"kde": "higher"}, {"samples": 100 + seed}
        said = [
            entry(500, "kde", {"kde": 9.0}, better=better, settings=small),
            entry(1000, "kde", {"kde": 1.0}, better=better, settings={"samples": 300}),
        ]
        plant(tmp_path / str(seed), {"seed": seed}, evaluations=said)
    made = tabled()
    (row,) = made.groups
    assert (row.last["kde"].value, row.best) == (1.0, {})
    (told,) = [note for note in made.notes if "different ways" in note]
    assert told.startswith("best kde was measured in different ways, so there is no mean of 0, 1: ")


@pytest.mark.parametrize(
    ("one", "other", "whole", "but_unit"),
    [
        ({"samples": 1}, {"samples": 1.0}, True, True),
        ({"samples": 1}, {"samples": 2}, False, False),
        ({"samples": 1}, None, True, True),  # of what is unknown nothing is said
        ({"pixel_range": [0, 1]}, {"pixel_range": [0, 2]}, False, True),
        ({"at_once": 1}, {"at_once": 2}, True, True),
        ("damaged", {"samples": 1}, False, False),
    ],
)
def test_settings_are_compared_but_for_what_changes_no_number(
    one: Any, other: Any, whole: bool, but_unit: bool
) -> None:
    points = [Point(1.0, 1, settings=settings) for settings in (one, other)]
    assert alike(points) == alike(points[::-1]) == whole
    assert alike(points, ["pixel_range"]) == but_unit


def test_words_count_where_settings_are_unknown() -> None:
    words = [Point(1.0, 1, None, "A", {"pixel_range": 1}), Point(1.0, 1, None, "B", {"pixel_range": 2})]
    assert alike(words, ["pixel_range"])
    assert not alike([words[0], Point(1.0, 1, None, "B")], ["pixel_range"])
