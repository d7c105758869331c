"""`resume=<run folder>`: the run's own settings, what may change and what may not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from gan_cli.cli import resume
from tests.cli.conftest import Command

TINY = ("data=ring", "model=mlp", "batch_size=4", "device=cpu", "log_every=1", "trick=[instance_noise]")


@pytest.fixture
def made(gan_train: Command, folder: Path) -> Path:
    """A finished run of three steps, as a path below the current folder."""
    shown = gan_train(*TINY, "steps=3", "seed=5")
    assert shown.code == 0, shown.err
    (settings,) = folder.glob("outputs/*/*/.hydra")
    return settings.parent.relative_to(folder)


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file's bytes."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def step(folder: Path) -> int:
    return int(json.loads((folder / "summary.json").read_text())["step"])


def test_more_steps_go_on_in_the_same_folder(gan_train: Command, made: Path) -> None:
    first = contents(made / ".hydra")
    shown = gan_train(f"resume={made}", "steps=5")
    assert (shown.code, step(made)) == (0, 5), shown.err
    assert shown.out.splitlines()[0] == f"run: {made}"
    assert contents(made / ".hydra").items() >= first.items()
    lines = [json.loads(line)["step"] for line in (made / "metrics.jsonl").read_text().splitlines()]
    assert lines == [1, 2, 3, 4, 5]
    again = OmegaConf.load(made / ".hydra/resume-1/overrides.yaml")
    assert list(again) == [*TINY, "seed=5", f"resume={made}", "steps=5"]
    # The next resumption starts from these, and goes wherever the folder was moved.
    shutil.move(made, "moved (here)=[it's]")
    shown = gan_train(
        "resume=moved (here)=[it's]", "log_every=2", "checkpoint_every=1", "watchdog=warn", "steps=7"
    )
    assert (shown.code, step(Path("moved (here)=[it's]"))) == (0, 7), shown.err


def test_a_finished_run_is_left_alone(gan_train: Command, made: Path) -> None:
    before = contents(made)
    for line in ([], ["steps=3"], ["steps=2"]):
        shown = gan_train(f"resume={made}", *line)
        assert (shown.code, shown.err, "is finished" in shown.out) == (0, "", True)
    assert contents(made) == before


def test_a_run_from_before_a_setting_was_there_goes_on(gan_train: Command, made: Path) -> None:
    settings = OmegaConf.load(made / ".hydra/config.yaml")
    assert isinstance(settings, DictConfig)
    for name in ("cuda_graph", "channels_last", "profile"):
        del settings.runtime[name]
    del settings["prune"]
    OmegaConf.save(settings, made / ".hydra/config.yaml")
    assert gan_train(f"resume={made}", "steps=5").code == 0
    assert step(made) == 5


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("seed=6", ["seed: 5 → 6"]),
        ("loss=wgan", ["loss._target_", "gan_ns", "wgan"]),
        ("model.width=32 batch_size=8", ["model.width: 128 → 32", "batch_size: 4 → 8"]),
        ("trick=[]", ["trick.instance_noise"]),
        ("trick=[instance_noise,r1]", ["trick.r1.gamma: (not set) → 1.0"]),
        ("runtime.precision=bf16", ["runtime.precision"]),
        ("trick.instance_noise.end=0.01 steps=9", ["trick.instance_noise.end: 0.0 → 0.01"]),
    ],
)
def test_what_would_change_the_mathematics_is_refused(
    line: str, said: list[str], gan_train: Command, made: Path
) -> None:
    before = contents(made)
    shown = gan_train(f"resume={made}", *line.split())
    assert shown.code == 2
    assert not [word for word in said if word not in shown.line], shown.line
    assert contents(made) == before


def test_folders_that_are_no_run(gan_train: Command, made: Path) -> None:
    assert f"inside one: resume={made}" in gan_train(f"resume={made}/checkpoints").line
    assert "is a file" in gan_train(f"resume={made}/summary.json").line
    assert f"the last one in it is {made}" in gan_train("resume=outputs").line
    assert "did you mean" in gan_train(f"resume={str(made)[:-1]}").line
    Path("sweep/3/.hydra").mkdir(parents=True)
    Path("sweep/multirun.yaml").touch()
    assert "resume one of its runs: 3" in gan_train("resume=sweep").line


def test_a_run_killed_before_its_first_checkpoint_starts_again(gan_train: Command, made: Path) -> None:
    shutil.rmtree(made / "checkpoints")
    shown = gan_train(f"resume={made}")
    assert (shown.code, step(made)) == (0, 3)
    assert "starting from step 0" in shown.err
    assert len(list((made / "checkpoints").iterdir())) == 1


def test_settings_torn_by_a_kill_are_passed_over(made: Path) -> None:
    torn = made / ".hydra/resume-1"
    torn.mkdir()
    (torn / "config.yaml").write_text("steps: 9\n")
    (torn / "overrides.yaml").touch()
    earlier = resume.find(str(made))
    assert earlier.settings == made.absolute() / ".hydra"
    assert earlier.next_settings() == ".hydra/resume-2"


def test_a_job_of_a_sweep_with_the_users_own_configs(gan_train: Command, folder: Path) -> None:
    (folder / "mine/loss").mkdir(parents=True)
    (folder / "mine/loss/own.yaml").write_text("_target_: mine_losses.Own\n")
    (folder / "mine_losses.py").write_text("from gan_cli.losses.wgan import WGAN\n\nclass Own(WGAN): ...\n")
    assert gan_train(*TINY, "-m", "--config-dir", "mine", "loss=own,gan", "steps=1").code == 0
    (job,) = folder.glob("outputs/sweeps/*/*/0")
    assert gan_train(f"resume={job}", "steps=2").code == 0
    assert step(job) == 2
    shutil.move(folder / "mine", folder / "elsewhere")
    assert "--config-dir" in gan_train(f"resume={job}", "steps=3").line
    assert gan_train(f"resume={job}", "steps=3", "--config-dir", "elsewhere").code == 0
    assert step(job) == 3
