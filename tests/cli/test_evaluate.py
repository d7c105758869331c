"""`gan-eval` of one run: what it refuses, what it finds, and what it leaves beside the run."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from gan_cli.checkpoint import bests, listed
from gan_cli.cli import folders, measuring
from gan_cli.schema import EVALUATE
from tests.cli.conftest import Command
from tests.cli.evaluated import QUICK, RING, board, entries, logged, scalars

ROOT = Path(__file__).parents[2]

AT_ONCE: dict[str, list[str]] = {
    "": ["run has no value", "run=<folder>"],
    "run=": ["run has no value"],
    "run=nowhere": ["run=nowhere: there is no such folder"],
    "run=emtpy": ["did you mean 'empty'?"],
    "run=empty checkpoint=bset": ["checkpoint must be last, best or a step", "did you mean 'best'?"],
    "run=empty checkpoint=-3": ["checkpoint must be"],
    "run=empty seed=-1": ["seed must be at least 0"],
    "run=empty device=gpu": ["device", "'gpu'"],
    "run=empty threads=0": ["threads must be at least 1"],
    "metric=[kdee]": ["no metric=kdee (did you mean 'kde'?)"],
    "metric.kde.samples=3": ["add 'metric=[kde]'"],
    "metric=[kde] metric.kde.sampels=3": ["did you mean 'samples'?"],
    "metric=kde,kid run=empty": ["several runs", "--multirun"],
    "stepz=3": ["no key stepz"],
    "data=ring": ["no key data"],
    "run=empty hydra.run.dir=out": ["hydra.run.dir=out", "makes no folder"],
    "runn=x": ["no key runn (did you mean 'run'?)"],
    "--helpp": ["no flag --helpp"],
    "--config-dir=emtpy": ["did you mean 'empty'?"],
}


@pytest.mark.parametrize("line", AT_ONCE)
def test_refused_at_once(line: str, gan_eval: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(config: object) -> None:
        raise AssertionError("it got past the checks that do without torch")

    monkeypatch.setattr(measuring, "evaluate", late)
    (folder / "empty").mkdir()
    answer = gan_eval(*line.split())
    assert answer.code == 2, answer.err
    assert answer.line.startswith("gan-eval: ")
    assert not [word for word in AT_ONCE[line] if word not in answer.line], answer.line
    assert [path.name for path in folder.rglob("*")] == ["empty"]


@pytest.mark.parametrize("argv", [["--help"], ["--cfg", "job"], ["metric=kdee"], ["--version"]])
def test_it_answers_within_a_second(
    argv: list[str], tmp_path: Path, subprocess_environment: dict[str, str]
) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "gan_cli.cli.evaluate", *argv]
    done = subprocess.run(
        command, cwd=tmp_path, env=subprocess_environment, capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == (2 if "=" in argv[0] else 0), done.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1
    assert not list(tmp_path.iterdir())


def test_help_names_every_metric_and_key(gan_eval: Command, mine: list[str]) -> None:
    shown = gan_eval(*mine, "--help").out
    words = shown.replace(",", " ").split()
    found = EVALUATE.options(folders.options([ROOT / "configs"]))
    assert set(found) == {"metric"}
    assert {*found["metric"], *EVALUATE.keys, "planted"} <= set(words)
    assert "A user's own." in gan_eval(*mine, "--help", "metric").out
    assert gan_eval("--version").out.startswith("gan-eval ")
    composed = gan_eval("--cfg", "job", "metric=kde", "metric.kde.samples=77")
    assert (composed.code, "samples: 77" in composed.out) == (0, True)


def test_what_a_run_measured_is_measured_again(
    gan_train: Command, gan_eval: Command, mine: list[str]
) -> None:
    assert gan_train(*mine, *RING, "metric=planted", "hydra.run.dir=run", "keep_checkpoints=2").code == 0
    in_training = entries("run")
    assert [(one["metric"], one["step"], one["checkpoint"]) for one in in_training] == [("planted", 4, None)]
    done = gan_eval("run=run")
    assert (done.code, done.err) == (0, "")
    assert "times 1.0" in done.out
    found = {one["metric"]: one for one in entries("run")}
    assert found["planted"]["checkpoint"] == listed(Path("run"))[-1][1].name
    assert found["planted"]["values"] == in_training[0]["values"]
    assert found["planted"]["per_example"] == in_training[0]["per_example"]
    numbers = found["planted"]["values"] | found["always"]["values"]
    assert numbers == pytest.approx(logged("run")[4], rel=1e-8)
    assert {f"gan_eval/{name}" for name in numbers} <= set(board("run").Tags()["scalars"])
    earlier = gan_eval("run=run", "checkpoint=2")
    assert earlier.code == 0, earlier.err
    assert len(entries("run")) == 4
    at_two = [one["values"] for one in entries("run") if one["step"] == 2]
    assert at_two[0] | at_two[1] == pytest.approx(logged("run")[2], rel=1e-8)
    assert set(scalars("run", "gan_eval/planted")) == {2, 4}


def test_numbers_come_from_the_seed_and_replace_those_of_it(
    gan_train: Command, gan_eval: Command, mine: list[str]
) -> None:
    assert gan_train(*RING, "hydra.run.dir=run").code == 0
    for line in (["seed=3"], ["seed=4"], ["seed=3"], ["seed=3", "metric.planted.factor=2"]):
        assert gan_eval(*mine, "run=run", "metric=planted", *line).code == 0
    found = {(one["seed"], one["settings"]["factor"]): one["values"]["planted"] for one in entries("run")}
    assert len(entries("run")) == len(found) == 3
    assert found[3, 1.0] != found[4, 1.0]
    assert found[3, 2.0] == pytest.approx(2 * found[3, 1.0])
    assert scalars("run", "gan_eval/planted") == {4: pytest.approx(found[3, 2.0])}
    before = entries("run")
    assert gan_eval(*mine, "run=run", "metric=planted", "seed=4").code == 0
    assert [one["values"] for one in before if one["seed"] == 4] == [entries("run")[-1]["values"]]


def test_images_and_their_pictures(gan_train: Command, gan_eval: Command, mine: list[str]) -> None:
    assert gan_train("data=digits", "model.width=4", *QUICK, "hydra.run.dir=run").code == 0
    curve = scalars("run", "critic/loss")
    metric = ["metric=[planted,kde]", "metric.kde.samples=30", "metric.kde.test=20"]
    done = gan_eval(*mine, "run=run", *metric)
    assert "data.split=train" in done.line, "all digits are trained on, and none is left to judge by"
    assert "gan-eval: run: metric.kde: " in done.line
    assert done.code == 1
    with Image.open("run/evaluation/planted_page_000004.png") as picture:
        assert picture.size[0] > picture.size[1] > 64
    assert [event.step for event in board("run").Images("gan_eval/planted_page")] == [4]
    assert scalars("run", "critic/loss") == curve, "what was there before stays"
    assert [one["metric"] for one in entries("run")] == ["planted"]


def test_the_parzen_likelihood_of_a_run(gan_train: Command, gan_eval: Command) -> None:
    line = ["data=digits", "data.split=train", "model.width=4", *QUICK]
    assert gan_train(*line, "hydra.run.dir=run").code == 0
    done = gan_eval("run=run", "metric=[kde]", "metric.kde.samples=60", "metric.kde.test=50")
    assert done.code == 0, done.err
    (found,) = entries("run")
    assert found["values"]["kde_error"] > 0
    assert found["about"] in done.out
    assert f"{found['values']['kde']:.0f}"[:2] in done.out
    assert found["settings"]["samples"] == 60


def test_the_best_checkpoint(gan_train: Command, gan_eval: Command, mine: list[str]) -> None:
    line = [*mine, *RING, "metric=planted", "steps=12", "keep_best=planted"]
    assert gan_train(*line, "hydra.run.dir=run").code == 0
    values = {step: found["planted"] for step, found in logged("run").items()}
    best = bests(Path("run"))[-1]
    step = max(values, key=lambda step: values[step])
    assert (best.metric, best.value, best.step) == ("planted", values[step], step)
    done = gan_eval("run=run", "checkpoint=best")
    assert done.code == 0, done.err
    (found,) = (one for one in entries("run") if (one["metric"], one["step"]) == ("planted", step))
    assert found["checkpoint"] == best.file
    assert found["values"]["planted"] == pytest.approx(best.value, rel=1e-8)


def test_keep_best_is_refused_before_a_folder_is_made(gan_train: Command, folder: Path) -> None:
    assert gan_train(*RING, "hydra.run.dir=run").code == 0
    for line, words in {
        "data=run data.folder=run model=mlp keep_best=reverse_kl": "no such number",
        "data=ring model=mlp keep_best=modes_coverd": "did you mean 'modes_covered'?",
        "data=ring model=mlp keep_best=spread": "neither more nor less of it is better",
        "data=ring model=mlp keep_best=kde": "no such number",
        "data=ring model=mlp keep_best=reverse_kl evaluate_every=0": "evaluate_every",
        "keep_best=modes_covered": "metric=[…] adds some",
        "metric=kid keep_best=kdi": "did you mean 'kid'?",
    }.items():
        answer = gan_train(*line.split())
        assert (answer.code, words in answer.line, list(folder.iterdir())) == (2, True, [folder / "run"]), (
            answer.err
        )
