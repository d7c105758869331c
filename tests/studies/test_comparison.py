"""Variants side by side, and the games of historical averaging."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from gan_cli.errors import InputError
from gan_cli.studies.averaging import ORDERS, Averaging, distances, game_of, orbits
from gan_cli.studies.comparison import Comparison
from tests.games import CONFIGS
from tests.studies.desks import desk, left

RING = ["data=ring", "model=mlp", "model.width=4", "model.latent=2", "batch_size=4", "steps=3", "loss=gan_ns"]
NOISE = ["trick=[instance_noise]", "trick.instance_noise.start=0.5"]


def small(name: str, **options: object) -> Comparison:
    made: Comparison = instantiate(
        OmegaConf.load(CONFIGS / "study" / f"{name}.yaml"), **options, _convert_="all"
    )
    return made


@pytest.mark.parametrize(("name", "tricks"), [("instance_noise", NOISE), ("feature_matching", [])])
def test_a_comparison_leaves_its_table_and_figure(tmp_path: Path, name: str, tricks: list[str]) -> None:
    study = small(name, seeds=2, every=2, samples=20)
    study.run(desk(tmp_path, *RING, *tricks))
    assert left(tmp_path) == {"table.md", "results.json", f"{name}.png"}
    found = json.loads((tmp_path / "results.json").read_text())
    assert list(found) == list(study.variants)
    for history in found.values():
        assert history["steps"] == [0, 2, 3]
        assert history["of"] == 8
        assert all(0 <= modes <= 8 for moment in history["modes"] for modes in moment)
    text = (tmp_path / "table.md").read_text()
    (tmp_path / "table.md").unlink()
    study.run(desk(tmp_path, *RING, *tricks, stop=lambda: True))  # all parts are remembered
    assert (tmp_path / "table.md").read_text() == text


def test_a_comparisons_table_counts_what_it_says() -> None:
    history = {"steps": [0, 1, 2, 3], "of": 3}
    history |= {
        "modes": [[0, 0], [1, 1], [2, 3], [3, 3]],
        "quality": [[0, 0], [0, 0], [0, 0], [0.5, 1.0]],
        "kl": [[2, 2], [2, 2], [2, 1], [0.5, 0.7]],
    }
    text = Comparison({"plain": []}).table({"plain": history})
    assert "| plain | 3.0 ± 0.0 | 2.8 ± 0.4 | 2/2 | 75 ± 35 | 0.60 ± 0.14 |" in text


def test_what_a_comparison_refuses(tmp_path: Path) -> None:
    cases: list[dict[str, Any]] = [
        {"variants": {}},
        {"variants": {"a": []}, "seeds": 0},
        {"variants": {"a": []}, "every": 0},
    ]
    for bad in cases:
        with pytest.raises(ValueError, match="must be"):
            Comparison(**bad)
    with pytest.raises(InputError, match="data=ring"):
        Comparison({"plain": []}).run(desk(tmp_path, "data=digits", "model=mlp", "batch_size=4", "steps=1"))


@pytest.mark.parametrize("order", ["simultaneous", "alternating"])
@pytest.mark.parametrize("weight", [0.0, 0.3])
@pytest.mark.parametrize("shape", ["line", "kinked"])
def test_the_games_are_gradient_descent_by_hand(shape: str, weight: float, order: str) -> None:
    path = orbits(game_of(shape, weight, 0.1, ORDERS[order]), [5], 40, 1)  # type: ignore[arg-type]
    x, y = path["x"][0][0], path["y"][0][0]
    mean_x, mean_y = x, y
    for number in range(1, 41):
        f, slope = (x, 1.0) if shape == "line" or x < 0 else (x * x, 2 * x)
        moved = y - 0.1 * ((f - 1) + 2 * weight * (y - mean_y))
        met = moved if order == "alternating" else y
        x += 0.1 * (slope * (met - 1) - 2 * weight * (x - mean_x))
        y = moved
        mean_x, mean_y = mean_x + (x - mean_x) / (number + 1), mean_y + (y - mean_y) / (number + 1)
        assert (path["x"][number][0], path["y"][number][0]) == pytest.approx((x, y), rel=1e-9, abs=1e-12)


def test_simultaneous_descent_leaves_the_line_by_the_known_factor() -> None:
    away = distances(orbits(game_of("line", 0.0, 0.1, ORDERS["simultaneous"]), range(3), 100, 100))
    ratio = torch.tensor(away[1]) / torch.tensor(away[0])
    torch.testing.assert_close(ratio, torch.full((3,), 1.01**50), rtol=1e-4, atol=0)  # |1 ± i·rate|ⁿ


def test_averaging_leaves_both_tables(tmp_path: Path) -> None:
    tiny = Comparison({"none": [], "some": ["trick=[historical_averaging]"]}, 2, 3, 10, "ring")
    Averaging(tiny, weights=(0.0, 0.1), steps=5, seeds=2).run(desk(tmp_path, *RING))
    assert left(tmp_path) == {"table.md", "results.json", "historical_averaging.png", "ring.png"}
    cases: list[dict[str, Any]] = [{"weights": ()}, {"weights": (-1.0,)}, {"rate": 0.0}, {"steps": 0}]
    for bad in cases:
        with pytest.raises(ValueError, match="must be"):
            Averaging(tiny, **bad)
