"""`gan-eval` of many runs, of one that goes on, and from any place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from gan_cli.checkpoint import listed
from gan_cli.cli import measuring
from gan_cli.cli.job import locked
from gan_cli.observers.events import PATTERN
from tests.cli.conftest import Command
from tests.cli.evaluated import QUICK, RING, entries, scalars


def test_a_sweep_and_what_one_of_its_runs_cannot_do(
    gan_train: Command, gan_eval: Command, mine: list[str]
) -> None:
    sweep = ["-m", "seed=0,1,2", "hydra.sweep.dir=all"]
    assert gan_train(*RING, *sweep).code == 0
    assert gan_train("data=digits", "model.width=4", *QUICK, "hydra.run.dir=all/digits").code == 0
    shutil.rmtree("all/1/checkpoints")
    line = [*mine, "metric=[planted]", "metric.planted.breaks=true"]
    done = gan_eval("run=all", *line)
    assert done.code == 1
    told = [text for text in done.err.splitlines() if text.startswith("gan-eval: ")]
    assert [text.split()[1].rstrip(":") for text in told] == ["all/0", "all/1", "all/2"]
    assert "no checkpoint yet" in told[1]
    assert "RuntimeError: broken in two lines" in told[2]
    assert ["all/digits" in text for text in done.out.splitlines()].count(True) == 1
    assert gan_eval("run=all", *line[:-1]).code == 1
    assert [len(entries(f"all/{name}")) for name in ("0", "1", "2", "digits")] == [1, 0, 1, 2]
    values = [entries(f"all/{n}")[0] for n in (0, 2)]
    assert [one["seed"] for one in values] == [0, 2]
    for folder in Path("all").glob("*/checkpoints"):
        shutil.rmtree(folder)
    none = gan_eval("run=all", *line[:-1])
    assert (none.code, none.out) == (2, ""), "nothing could be done, and it is the user's to mend"


def test_wrong_settings_of_a_metric_are_told_once(
    gan_train: Command, gan_eval: Command, mine: list[str]
) -> None:
    assert gan_train(*RING, "hydra.run.dir=run").code == 0
    for line, words in {
        "metric.planted.factor=-1": "metric.planted.factor must be at least 0, got -1.0",
        "metric.planted.factor=x": "metric.planted.factor must be a number",
        "+metric.planted.more=1": "takes no 'more'",
        "+metric.planted.dataset=1": "filled in",
        "checkpoint=3": "run has those of the steps 2, 4",
        "checkpoint=best": "kept no best one (keep_best=<number>)",
    }.items():
        answer = gan_eval(*mine, "run=run", "metric=planted", line)
        assert (answer.code, words in answer.line) == (2, True), answer.err
    assert not Path("run/evaluation.json").exists()


def test_a_run_that_is_being_trained_keeps_its_files_to_itself(
    gan_train: Command, gan_eval: Command, mine: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gan_train(*RING, "hydra.run.dir=run").code == 0
    (events,) = Path("run").glob(PATTERN)
    before = events.read_bytes()
    monkeypatch.setattr(measuring, "_PATIENCE", 0.1)
    with locked(Path("run")):
        done = gan_eval(*mine, "run=run", "metric=planted")
    assert (done.code, "being trained" in done.line) == (0, True), done.err
    assert events.read_bytes() == before
    assert len(entries("run")) == 1


def test_a_run_that_goes_on_keeps_what_is_not_ahead_of_it(
    gan_train: Command, gan_eval: Command, mine: list[str]
) -> None:
    assert gan_train(*RING, "hydra.run.dir=run").code == 0
    for step in (2, 4):
        assert gan_eval(*mine, "run=run", "metric=planted", f"checkpoint={step}").code == 0
    assert gan_train("resume=run", "steps=6").code == 0
    assert set(scalars("run", "gan_eval/planted")) == {2, 4}
    listed(Path("run"))[-1][1].unlink()
    listed(Path("run"))[-1][1].unlink()
    assert gan_train("resume=run", "steps=6").code == 0
    assert set(scalars("run", "gan_eval/planted")) == {2}
    assert set(scalars("run", "critic/loss")) == {2, 4, 6}


@pytest.mark.parametrize("name", ["plain", "runs (old), für ½'s = [x]"])
def test_any_folder_from_anywhere(
    name: str, gan_train: Command, gan_eval: Command, mine: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    escaped = name.replace("'", "\\'")
    assert gan_train(*mine, *RING, "metric=planted", f"hydra.run.dir='{escaped}/a'").code == 0
    assert gan_eval(f"run={name}/a").code == 0
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    done = gan_eval(f"run=../{name}", "seed=1")
    assert done.code == 0, done.err
    assert len(entries(f"../{name}/a")) == 4
    assert f"{name}/a" in done.out


def test_data_that_are_gone_or_stay_where_they_were(
    gan_train: Command, gan_eval: Command, mine: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "photos").mkdir()
    for number in range(12):
        Image.new("L", (8, 8), 20 * number).save(folder / f"photos/{number}.png")
    line = ["data=image_folder", "data.root=photos", "data.size=8", "data.channels=1", "model.width=4"]
    assert gan_train(*line, *QUICK, "hydra.run.dir=all/a").code == 0
    assert gan_train(*RING, "hydra.run.dir=all/b").code == 0
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    mine[1] = f"../{mine[1]}"
    assert gan_eval(*mine, "run=../all", "metric=planted").code == 0
    shutil.rmtree("../photos")
    done = gan_eval(*mine, "run=../all", "metric=planted")
    assert done.code == 1
    assert ["photos" in text for text in done.err.splitlines()].count(True) == 1
    assert [len(entries(f"../all/{name}")) for name in "ab"] == [1, 1]


def test_several_checkpoints_by_multirun(gan_train: Command, gan_eval: Command, mine: list[str]) -> None:
    assert gan_train(*RING, "hydra.run.dir=run").code == 0
    assert gan_eval(*mine, "-m", "run=run", "metric=planted", "checkpoint=2,4").code == 0
    assert [one["step"] for one in entries("run")] == [2, 4]
    assert not Path("multirun").exists()
