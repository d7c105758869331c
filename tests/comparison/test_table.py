"""What differs, what makes a group, and which runs a mean is of."""

from __future__ import annotations

from pathlib import Path

import pytest
import scipy.stats

from gan_cli.comparison import differences, runs
from gan_cli.errors import InputError
from tests.comparison.conftest import Tabled
from tests.comparison.planted import entry, plant


def kde(value: float, **more: object) -> list[dict[str, object]]:
    return [entry(1000, "kde", {"kde": value, "kde_error": 0.5}, better={"kde": "higher"}, **more)]


def test_seeds_of_a_setting_are_one_row(tmp_path: Path, tabled: Tabled) -> None:
    values = {"wgan": [1.0, 2.0, 4.0], "hinge": [5.0, 5.5, 7.0]}
    for loss, several in values.items():
        for seed, value in enumerate(several):
            plant(tmp_path / f"{loss}{seed}", {"seed": seed}, {"loss": loss}, evaluations=kde(value))
    made = tabled()
    assert list(made.keys) == ["loss"]
    assert [row.settings for row in made.groups] == [("hinge",), ("wgan",)]
    for row in made.groups:
        several = values[row.settings[0]]
        assert row.last["kde"].n == 3
        assert row.last["kde"].value == pytest.approx(sum(several) / 3)
        assert row.last["kde"].error == pytest.approx(scipy.stats.sem(several))
    assert [row.last["kde"].error for row in made.single] == [0.5] * 6  # the metric's own


def test_where_runs_lie_and_what_they_write_makes_no_group(tmp_path: Path, tabled: Tabled) -> None:
    plant(tmp_path / "a", {"seed": 0, "log_every": 5, "device": "cpu", "name": "x", "data.root": "here"})
    plant(tmp_path / "b", {"seed": 1, "log_every": 7, "device": "cuda", "name": "y", "metric.kde.samples": 3})
    made = tabled()
    assert list(made.keys) == []
    assert len(made.groups) == 1


def test_options_tricks_and_values_that_differ(tmp_path: Path) -> None:
    plant(tmp_path / "a", {"trick.unrolled.steps": 5, "loss.generator": "x"}, {"loss": "wgan"})
    plant(tmp_path / "b", {"trick.unrolled.steps": 10, "loss.other": 1}, {"loss": "hinge"})
    plant(
        tmp_path / "c",
        {"trick.unrolled.steps": 10, "trick.ema.decay": 0.9, "loss.other": 2},
        {"loss": "hinge"},
    )
    plant(tmp_path / "d", {"model.width": 128}, {"loss": "hinge"})
    found = runs.read([tmp_path]).runs
    keys = differences.differing(found)
    # loss.generator goes with loss=wgan; the players' widths refer to model.width; one decay is no difference
    assert keys[:2] == ["loss", "trick"]
    assert set(keys[2:]) == {"loss.other", "trick.unrolled.steps", "model.width"}
    assert [run.config.shown("trick") for run in found] == ["unrolled", "unrolled", "ema, unrolled", "none"]
    assert [run.config.shown("trick.unrolled.steps") for run in found] == [5, 10, 10, None]
    every = {key for run in found for key in run.config.law}
    short = differences.short_names(keys, every)
    assert short["trick.unrolled.steps"] == "unrolled.steps"  # steps alone is another key
    assert short["loss.other"] == "other"
    assert short["model.width"] == "model.width"  # the players have widths, too


def test_without_hydras_file_a_class_stands_for_its_option(tmp_path: Path, tabled: Tabled) -> None:
    for name in ("WGAN", "Hinge"):
        folder = plant(tmp_path / name, {"loss": {"_target_": f"gan_cli.losses.any.{name}"}})
        (folder / ".hydra/hydra.yaml").unlink()
    made = tabled()
    assert [made.titles[key] for key in made.keys] == ["loss"]
    assert [row.settings for row in made.groups] == [("Hinge",), ("WGAN",)]


def test_a_run_without_settings_is_like_no_other(tmp_path: Path, tabled: Tabled) -> None:
    for name in ("a", "b"):
        (plant(tmp_path / name) / ".hydra/config.yaml").unlink()
    plant(tmp_path / "c")
    made = tabled()
    assert len(made.groups) == 3
    assert sum("settings cannot be read" in note for note in made.notes) == 2


def test_means_are_of_runs_that_ended(tmp_path: Path, tabled: Tabled) -> None:
    outcomes = ["done", "done", "failed", "running"]
    for seed, outcome in enumerate(outcomes):
        plant(tmp_path / str(seed), {"seed": seed}, evaluations=kde(10.0 * 9**seed), outcome=outcome)
    made = tabled()
    (row,) = made.groups
    assert (len(row.runs), [run.seed for run in row.counted]) == (4, [0, 1])
    assert row.last["kde"].value == 50.0
    assert row.outcome == "2 done, 1 failed, 1 running"
    assert "not in the means, as they did not end: 2, 3" in made.notes


def test_a_setting_of_which_nothing_ended_shows_what_there_is(tmp_path: Path, tabled: Tabled) -> None:
    plant(tmp_path / "a", evaluations=kde(7.0), outcome="running")
    (row,) = tabled().groups
    assert row.last["kde"].value == 7.0


def test_a_seed_counts_once(tmp_path: Path, tabled: Tabled) -> None:
    for name, value in (("1", 1.0), ("2", 3.0)):
        plant(tmp_path / name, evaluations=kde(value))
    made = tabled()
    (row,) = made.groups
    assert (row.last["kde"].value, row.last["kde"].n) == (3.0, 1)
    assert any("later run has the same settings and seed: 1" in note for note in made.notes)


def test_groups_by_chosen_settings(tmp_path: Path, tabled: Tabled) -> None:
    for number, (loss, width) in enumerate([("wgan", 1), ("wgan", 2), ("hinge", 1), ("hinge", 2)]):
        plant(tmp_path / str(number), {"model.width": width}, {"loss": loss}, evaluations=kde(float(number)))
    made = tabled(by=["loss"])
    assert [(row.settings, row.last["kde"].value) for row in made.groups] == [
        (("hinge",), 2.5),
        (("wgan",), 0.5),
    ]
    assert "the means go over different model.width" in made.notes
    assert len(tabled(by=["latent"]).groups) == 1
    with pytest.raises(InputError, match=r"by=wdth: no run has such a setting"):
        tabled(by=["wdth"])
    with pytest.raises(InputError, match=r"by=lr may be optimizer.generator.lr or optimizer.critic.lr"):
        tabled(by=["lr"])


def test_different_protocols_are_told(tmp_path: Path, tabled: Tabled) -> None:
    plant(tmp_path / "a", evaluations=kde(1.0, about="100 samples"))
    plant(tmp_path / "b", {"seed": 1}, evaluations=kde(1.0, about="200 samples"))
    told = "kde was measured in different ways, so there is no mean of a, b: 100 samples; or 200 samples"
    assert told in tabled().notes
    assert tabled().groups[0].last == {}
    assert [row.last["kde"].value for row in tabled().single] == [1.0, 1.0]


def test_different_protocols_of_different_rows_are_told_and_leave_their_numbers(
    tmp_path: Path, tabled: Tabled
) -> None:
    for number, loss in enumerate(["hinge", "wgan"]):
        plant(tmp_path / loss, {}, {"loss": loss}, evaluations=kde(1.0, about=f"{number} samples"))
    assert "kde was measured in different ways: 0 samples; or 1 samples" in tabled().notes
    assert [row.last["kde"].value for row in tabled().groups] == [1.0, 1.0]


def test_rows_are_in_a_natural_order(tmp_path: Path, tabled: Tabled) -> None:
    for number, steps in enumerate([10, 9, None, 100]):
        plant(tmp_path / str(number), {"trick.unrolled.steps": steps} if steps else {})
    assert [row.settings[-1] for row in tabled().groups] == [None, 9, 10, 100]
