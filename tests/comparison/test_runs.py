"""Folders are read in whatever state a run, or the end of the power, left them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from gan_cli.comparison import runs
from gan_cli.comparison.differences import differing
from gan_cli.comparison.numbers import measured
from gan_cli.comparison.runs import Run
from tests.comparison.planted import entry, plant


def only(folder: Path) -> Run:
    (found,) = runs.read([folder]).runs
    return found


def test_a_run_is_read(tmp_path: Path) -> None:
    curve = [(100, 2.0), (200, 1.0)]
    folder = plant(tmp_path / "a", {"seed": 3}, metrics={"generator/loss": curve}, picture=16)
    run = only(folder)
    assert (run.outcome, run.step, run.steps, run.seed) == ("done", 1000, 1000, 3)
    assert run.curves == {"generator/loss": ([100, 200], [2.0, 1.0])}
    assert run.picture == folder / "samples/step_001000.png"
    assert run.config.options["loss"] == "fgan_kl"
    assert run.config.values["model"]["generator"]["width"] == 64  # a reference is resolved


def test_the_last_picture_is_that_of_the_greatest_step(tmp_path: Path) -> None:
    folder = plant(tmp_path / "a", picture=8)
    for name in ("step_000900.png", "step_1000000.png", "interpolation_2000000.png", "step_x.png"):
        (folder / "samples" / name).write_bytes(b"")
    picture = only(folder).picture
    assert picture is not None
    assert picture.name == "step_1000000.png"


def test_runs_are_found_below_each_once_in_natural_order(tmp_path: Path) -> None:
    for name in ("s/10", "s/2", "one", "s/2/deeper/1"):
        plant(tmp_path / name)
    (tmp_path / "s/10/checkpoints/not/.hydra").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "s")
    found = runs.read([tmp_path, tmp_path / "s", tmp_path / "link"]).runs
    assert [run.name for run in found] == ["one", "s/2", "s/2/deeper/1", "s/10"]
    assert [run.name for run in runs.read([tmp_path / "s/10"]).runs] == ["10"]


def test_a_run_that_a_sweep_ended_early_is_pruned(tmp_path: Path) -> None:
    ends = {"a": "stopped", "b": "stopped", "c": "done", "d": "failed"}
    for name, outcome in ends.items():
        folder = plant(tmp_path / name, outcome=outcome)
        if name != "b":
            (folder / ".pruned").touch()
    found = runs.read([tmp_path]).runs
    assert [run.outcome for run in found] == ["pruned", "stopped", "done", "failed"]


def test_a_study_is_no_run(tmp_path: Path) -> None:
    plant(tmp_path / "a")
    plant(tmp_path / "b", {"study": {"_target_": "gan_cli.studies.unrolled.Unrolled"}})
    found = runs.read([tmp_path])
    assert [run.name for run in found.runs] == ["a"]
    assert found.others == {"a study": 1}


def test_the_settings_of_the_last_resumption_count(tmp_path: Path) -> None:
    folder = plant(tmp_path / "a", {"steps": 10})
    for number, steps in ((2, 20), (10, 30), (11, None)):
        inner = plant(tmp_path / f"x{number}", {"steps": steps}) / ".hydra"
        inner.rename(folder / f".hydra/resume-{number}")
    (folder / ".hydra/resume-11/config.yaml").write_text("")  # a kill came first
    (folder / "summary.json").unlink()
    assert runs.read([folder]).runs[0].steps == 30


@pytest.mark.parametrize("name", ["summary.json", "metrics.jsonl", "evaluation.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[1, 2]", b"null", b'{"evaluations": 3}'])
def test_damaged_files_are_no_crash(tmp_path: Path, name: str, content: bytes) -> None:
    folder = plant(tmp_path / "a", metrics={"evaluation/kde": [(10, 1.0)]})
    (folder / name).write_bytes(content)
    run = only(folder)
    measured(run)
    if name == "summary.json":
        assert run.outcome == "torn"
        assert run.step == 10
    if name == "evaluation.json":
        assert run.problems == ("evaluation.json is damaged",)


@pytest.mark.parametrize("name", ["config.yaml", "hydra.yaml"])
@pytest.mark.parametrize(
    "content", [b"", b"a: [", b"\xff\xfe\x00", b"7", b"model: ${nowhere.at.all}\ndata: 1"]
)
def test_damaged_settings_are_no_crash(tmp_path: Path, name: str, content: bytes) -> None:
    folder = plant(tmp_path / "a")
    (folder / ".hydra" / name).write_bytes(content)
    run = only(folder)
    assert isinstance(run.config.law, dict)
    assert isinstance(run.config.flat(), dict)


def test_a_folder_with_nothing_but_settings_is_an_empty_run(tmp_path: Path) -> None:
    folder = plant(tmp_path / "a")
    for name in ("summary.json", "metrics.jsonl"):
        (folder / name).unlink()
    assert (only(folder).outcome, only(folder).step) == ("empty", None)


def test_torn_lines_are_skipped_and_a_step_counts_once(tmp_path: Path) -> None:
    folder = plant(tmp_path / "a")
    lines = [
        {"step": 1, "a": 1.0, "time": 5.0},
        {"step": 2, "a": "NaN", "b": "-Infinity", "c": None, "d": "word", "e": True},
        {"a": 3},
        {"step": 1, "a": 4.0},
    ]
    text = "\n".join(map(json.dumps, lines)) + '\nnot json\n{"step": 3, "a'
    (folder / "metrics.jsonl").write_text(text)
    curves = only(folder).curves
    assert set(curves) == {"a", "b"}
    assert curves["a"][0] == [1, 2]
    assert curves["a"][1][0] == 4.0
    assert math.isnan(curves["a"][1][1])
    assert curves["b"] == ([2], [-math.inf])


def test_entries_without_a_step_or_values_are_left_out(tmp_path: Path) -> None:
    odd = [{"metric": "x"}, 3, entry(5, "x", {"x": 1.0}) | {"values": None}, entry(5, "x", {"x": 2.0})]
    folder = plant(tmp_path / "a", evaluations=odd)  # type: ignore[arg-type]
    assert [one["values"] for one in only(folder).evaluations] == [{"x": 2.0}]


def test_a_name_that_is_no_unicode_can_be_shown(tmp_path: Path) -> None:
    plant(tmp_path / "a")
    plant(tmp_path / "b\udcff")
    assert [run.name.encode() for run in runs.read([tmp_path]).runs] == [b"a", b"b?"]


def test_what_is_empty_in_one_run_is_no_setting_of_it(tmp_path: Path) -> None:
    plant(tmp_path / "one", {"model": {"levels": {}, "width": 4}})
    plant(tmp_path / "other", {"model": {"levels": {"14": {"critic_steps": 2}}, "width": 4}})
    found = runs.read([tmp_path])
    assert differing(found.runs) == ["model.levels.14.critic_steps"]
