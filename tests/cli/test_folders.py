"""Where runs are written, and where their data is looked for when they go on elsewhere."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from gan_cli.cli import output
from tests.cli.conftest import Command

TINY = ("data=ring", "model=mlp", "batch_size=4", "device=cpu", "steps=1")


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file's bytes."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_folder_that_holds_a_run_is_not_overwritten(gan_train: Command, folder: Path) -> None:
    assert gan_train(*TINY, "hydra.run.dir=here").code == 0
    before = contents(folder)
    again = gan_train(*TINY, "hydra.run.dir=here", "seed=3")
    assert (again.code, "here holds a run already" in again.line) == (2, True), again.err
    assert "gan-train resume=here" in again.line
    assert contents(folder) == before
    assert gan_train("resume=here", "steps=2").code == 0


def test_a_job_of_a_sweep_overwrites_no_run(gan_train: Command, folder: Path) -> None:
    assert gan_train(*TINY, "-m", "hydra.sweep.dir=all", "seed=0,1").code == 0
    shutil.rmtree(folder / "all/0")
    before = contents(folder)
    again = gan_train(*TINY, "-m", "hydra.sweep.dir=all", "seed=2,3")
    assert (again.code, "all/1 holds a run already" in again.line) == (2, True), again.err
    assert contents(folder) == before


def test_two_jobs_of_a_sweep_do_not_share_a_folder(gan_train: Command, folder: Path) -> None:
    shown = gan_train(*TINY, "-m", "hydra.sweep.dir=all", "hydra.sweep.subdir=x", "seed=0,1")
    assert (shown.code, "job 1: all/x holds a run already" in shown.err) == (1, True), shown.err


def test_letters_of_any_alphabet_need_no_quotes(gan_train: Command) -> None:
    shown = gan_train("data=mnist", "data.root=/d/b\u00fccher", "--cfg", "job", "--package", "data.root")
    assert (shown.code, shown.out) == (0, "/d/b\u00fccher\n"), shown.err
    assert gan_train("name=h\u00e4llo; du!", "--cfg", "job", "--package", "name").out == "h\u00e4llo; du!\n"


@pytest.mark.parametrize("start", [["data.root=pictures"], []])
def test_a_run_that_goes_on_elsewhere_finds_its_data(
    start: list[str], gan_train: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAN_DATA", "pictures")
    pictures(folder / "pictures/a")
    line = ("data=image_folder", "data.size=16", "data.cache=kept", "model=dcgan", "model.width=2")
    assert gan_train(*TINY, *line, *start, "hydra.run.dir=it").code == 0
    (folder / "other").mkdir()
    monkeypatch.chdir(folder / "other")
    shown = gan_train("resume=../it", "steps=2")
    assert shown.code == 0, shown.err
    again = OmegaConf.load(folder / "it/.hydra/resume-1/config.yaml")
    assert (again.data.root, again.data.cache) == (str(folder / "pictures"), str(folder / "kept"))
    shown = gan_train("resume=../it", "steps=3", "data.root=nothing")
    assert (shown.code, "nothing" in shown.line) == (2, True)
    assert "loss._target_" in gan_train("resume=../it", "loss=wgan").line
    assert not list((folder / "other").iterdir())


def pictures(folder: Path) -> None:
    """Eight small pictures."""
    from PIL import Image

    folder.mkdir(parents=True)
    for i in range(8):
        Image.new("RGB", (16, 16), (i, 0, 0)).save(folder / f"{i}.png")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("overrides.yaml", "garbage"),
        ("overrides.yaml", "a: 1"),
        ("overrides.yaml", "7"),
        ("overrides.yaml", "- [1]"),
        ("overrides.yaml", "- a"),
        ("hydra.yaml", "garbage"),
        ("config.yaml", "garbage"),
        ("config.yaml", "- 1"),
    ],
)
def test_damaged_settings_are_one_line(file: str, text: str, gan_train: Command, folder: Path) -> None:
    (folder / "it/.hydra").mkdir(parents=True)
    (folder / "it/.hydra/overrides.yaml").write_text("[]")
    (folder / "it/.hydra/config.yaml").write_text("steps: 1")
    (folder / "it/.hydra/hydra.yaml").write_text(f"hydra: {{runtime: {{cwd: '{folder}'}}}}")
    (folder / "it/.hydra" / file).write_text(text)
    shown = gan_train("resume=it")
    assert (shown.code, shown.line.startswith("gan-train: ")) == (2, True), shown.err
    assert "unexpected" not in shown.line


def test_programs_beside_this_python(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = folder / ".venv/bin"
    own.mkdir(parents=True)
    for name in ("python", "gan-train"):
        (own / name).touch(0o755)
    monkeypatch.setattr(sys, "executable", str(own / "python"))
    monkeypatch.setenv("PATH", "/nowhere")
    assert output.program("gan-train") == ".venv/bin/gan-train"
    assert output.program("tensorboard") == "tensorboard"
    monkeypatch.setenv("PATH", str(own))
    assert output.program("gan-train") == "gan-train"
