"""Config files of a user's own that are wrong, and those that are right in unusual ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Command

GLOBAL = "# @package _global_\n"
BAD: dict[str, tuple[str, str, str]] = {
    # what is wrong: (file, its text, words of the answer)
    "a key": ("experiment/x.yaml", GLOBAL + "stepz: 3\n", "no key stepz (did you mean 'steps'?)"),
    "a group's key": (
        "experiment/x.yaml",
        GLOBAL + "model: {widht: 3}\n",
        "model.widht (did you mean 'width'?)",
    ),
    "a value": ("experiment/x.yaml", GLOBAL + "steps: -3\n", "steps must be at least 1, got -3"),
    "an option": (
        "experiment/x.yaml",
        GLOBAL + "defaults:\n  - override /loss: fgan_kll\n",
        "loss/fgan_kll' (did you mean 'fgan_kl'?)",
    ),
    "an option like no other": (
        "experiment/x.yaml",
        GLOBAL + "defaults:\n  - override /optimizer: qqqq\n",
        "optimizer/qqqq'; there are adam",
    ),
    "a trick's name": (
        "experiment/x.yaml",
        GLOBAL + "defaults:\n  - override /trick: [unrolled]\ntrick: {unroled: {steps: 3}}\n",
        "trick.unroled (did you mean 'unrolled'?)",
    ),
    "a trick left out": ("experiment/x.yaml", GLOBAL + "trick: {r1: {gamma: 3}}\n", "add 'trick=[r1]'"),
    "no package": ("experiment/x.yaml", "steps: 3\n", "'# @package _global_' as its first line"),
    "no package, with defaults": (
        "experiment/x.yaml",
        "defaults:\n  - override /loss: wgan\n",
        "'# @package _global_' as its first line",
    ),
    "order of defaults": (
        "experiment/x.yaml",
        GLOBAL + "defaults:\n  - override /trick: [r1]\n  - trick: r1\n",
        "defaults",
    ),
    "no override": ("experiment/x.yaml", GLOBAL + "defaults:\n  - /loss: wgan\n", "override"),
    "yaml": ("experiment/x.yaml", GLOBAL + "steps: [\n", "mine/experiment/x.yaml, line 3"),
    "yaml twice": (
        "experiment/x.yaml",
        GLOBAL + "steps: 1\nsteps: 2\n",
        "x.yaml, line 3: found duplicate key steps",
    ),
    "no target": ("loss/x.yaml", "a: 3\n", "loss has no _target_"),
    "a list": ("loss/x.yaml", "- 3\n", "loss"),
    "empty": ("loss/x.yaml", "", "loss has no _target_"),
    "a model's part": ("model/x.yaml", "latent: 3\nprior: normal\n", "model.generator is missing"),
    "a missing value": (
        "loss/x.yaml",
        "_target_: gan_cli.losses.lsgan.LSGAN\na: ???\n",
        "set it with loss.a=...",
    ),
    "an interpolation": ("model/x.yaml", "defaults: [mlp, _self_]\nlatent: ${model.latnt}\n", "model.latnt"),
    "a trick's package": ("trick/x.yaml", "_target_: gan_cli.terms.r1.R1\n", "'# @package trick."),
    "a trick's target": ("trick/x.yaml", "# @package trick.x\ngamma: 1\n", "trick.x has no _target_"),
    "a built-in name": ("loss/wgan.yaml", "_target_: x.Y\n", "has the name of a built-in option"),
}


@pytest.mark.parametrize("case", BAD)
def test_refused(case: str, gan_train: Command, folder: Path) -> None:
    name, text, said = BAD[case]
    file = folder / "mine" / name
    file.parent.mkdir(parents=True)
    file.write_text(text)
    answer = gan_train("--config-dir", "mine", f"{file.parent.name}={file.stem}")
    assert answer.code == 2, answer.err
    assert said in answer.line
    assert not (folder / "outputs").exists()


def test_a_trick_that_the_command_line_drops_takes_its_settings_along(
    gan_train: Command, folder: Path
) -> None:
    (folder / "mine/experiment").mkdir(parents=True)
    text = GLOBAL + "defaults:\n  - override /trick: [unrolled]\ntrick: {unrolled: {steps: 3}}\nsteps: 1\n"
    (folder / "mine/experiment/x.yaml").write_text(text)
    line = ["--config-dir", "mine", "experiment=x", "data=ring", "model=mlp", "batch_size=4"]
    for tricks in ("trick=[]", "trick=[instance_noise]"):
        assert gan_train(*line, tricks).code == 0
    shown = gan_train(*line, "--cfg", "job", "--package", "trick.unrolled.steps")
    assert shown.out == "3\n"


def test_a_constructor_of_the_users_that_fails(gan_train: Command, folder: Path) -> None:
    (folder / "own.py").write_text("class Loss:\n    def __init__(self, a: int = 1):\n        self.b = c\n")
    (folder / "mine/loss").mkdir(parents=True)
    (folder / "mine/loss/x.yaml").write_text("_target_: own.Loss\na: 2\n")
    answer = gan_train("--config-dir", "mine", "loss=x")
    assert (answer.code, "name 'c' is not defined" in answer.line) == (2, True), answer.err
    (folder / "own2.py").write_text(
        "class Loss:\n    def __init__(self):\n        raise RuntimeError('boom')\n"
    )
    (folder / "mine/loss/x.yaml").write_text("_target_: own2.Loss\n")
    answer = gan_train("--config-dir", "mine", "loss=x")
    assert (answer.code, "RuntimeError: boom" in answer.line) == (2, True), answer.err
    assert "Error in call" not in answer.line
    assert "loss" in answer.line


def test_a_file_that_is_no_utf_8(gan_train: Command, folder: Path) -> None:
    (folder / "mine/loss").mkdir(parents=True)
    (folder / "mine/loss/x.yaml").write_bytes("# größer\n".encode("latin-1"))
    answer = gan_train("--config-dir", "mine", "loss=x")
    assert (answer.code, "loss/x.yaml is no text in UTF-8" in answer.line) == (2, True), answer.line


def test_a_model_may_extend_a_built_in_one(gan_train: Command, folder: Path) -> None:
    (folder / "mine/model/big").mkdir(parents=True)
    (folder / "mine/model/big/wide.yaml").write_text("defaults: [/model/mlp@_here_, _self_]\nwidth: 999\n")
    shown = gan_train("--config-dir", "mine", "model=big/wide", "--cfg", "job", "--package", "model.width")
    assert (shown.code, shown.out) == (0, "999\n"), shown.err
    assert "big/wide" in gan_train("--config-dir", "mine", "--help").out


def test_sweeps_may_stand_in_an_experiment(gan_train: Command, folder: Path) -> None:
    (folder / "mine/experiment").mkdir(parents=True)
    text = GLOBAL + "steps: 1\nhydra: {mode: MULTIRUN, sweeper: {params: {seed: '0,1', loss: 'gan,wgan'}}}\n"
    (folder / "mine/experiment/x.yaml").write_text(text)
    line = ["--config-dir", "mine", "experiment=x", "data=ring", "model=mlp", "batch_size=4"]
    assert gan_train(*line, "seed=-1").code == 2
    assert not (folder / "outputs").exists()
    assert gan_train(*line, "seed=3").code == 0
    assert len(list(folder.glob("outputs/sweeps/*/*/*/summary.json"))) == 2
