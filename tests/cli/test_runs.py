"""Runs, sweeps and failures as the command line shows them."""

from __future__ import annotations

import errno
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from gan_cli.cli.output import program
from gan_cli.errors import RunError
from tests.cli.conftest import Command

TINY = ("data=ring", "model=mlp", "batch_size=4", "device=cpu", "log_every=1")


def runs(folder: Path) -> list[Path]:
    """Every run's folder below outputs/."""
    return sorted(path.parent for path in folder.glob("outputs/**/.hydra"))


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception, seed: int | None = None) -> None:
    """Let the training itself fail, of all runs or of that seed's."""
    from gan_cli import run

    real = run.run

    def fail(experiment: Any, *args: Any, **kwargs: Any) -> Any:
        if seed is None or experiment.seed == seed:
            raise error
        return real(experiment, *args, **kwargs)

    monkeypatch.setattr(run, "run", fail)


def test_a_run_says_where_it_is_and_keeps_its_config(gan_train: Command, folder: Path) -> None:
    shown = gan_train(*TINY, "steps=2", "name=first try/1", "trick=instance_noise")
    assert shown.code == 0, shown.err
    (made,) = runs(folder)
    where = made.relative_to(folder)
    assert re.fullmatch(r"outputs/\d{4}-\d\d-\d\d/\d\d-\d\d-\d\d-first_try_1-[0-9a-f]{8}", str(where))
    assert shown.out.splitlines()[0] == f"run: {where}"
    assert f"tensorboard --logdir {where}" in shown.out.splitlines()[-1]
    assert {"train.log", "summary.json", "checkpoints", ".hydra"} <= {path.name for path in made.iterdir()}
    assert OmegaConf.load(made / ".hydra/overrides.yaml")[-1] == "trick=[instance_noise]"
    assert "running" in (made / "train.log").read_text()


def test_runs_of_the_same_second_do_not_share_a_folder(gan_train: Command, folder: Path) -> None:
    for _ in range(3):
        gan_train(*TINY, "steps=1")
    assert len(runs(folder)) == 3


def test_a_sweep_runs_every_job_and_reports_one_that_fails(
    gan_train: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, RunError("it diverged"), seed=1)
    shown = gan_train(*TINY, "-m", "seed=0,1,2", "steps=1")
    assert shown.code == 1
    assert "gan-train: job 1: it diverged" in shown.err.splitlines()
    assert shown.err.splitlines()[-1] == "gan-train: failed in the sweep: job 1; see above"
    (sweep,) = folder.glob("outputs/sweeps/*/*")
    assert [path.name for path in runs(folder)] == ["0", "1", "2"]
    assert [int(path.parent.name) for path in sorted(sweep.glob("*/summary.json"))] == [0, 2]
    assert "Launching 3 jobs" in shown.out
    look, compare = shown.out.splitlines()[-2:]
    assert f"tensorboard --logdir {sweep.relative_to(folder)}" in look
    assert re.fullmatch(rf"compare them with: \S*gan-compare {sweep.relative_to(folder)}", compare)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (RunError("the loss is not finite"), 1, "the loss is not finite"),
        (OSError(errno.ENOSPC, "No space left on device", "x.png"), 1, "the disk is full: x.png"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 1, "Permission denied: x"),
        (MemoryError(), 1, "not enough memory: no more is there; try a smaller batch_size or model"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 40 bytes. Error"),
            1,
            "not enough memory: tried to allocate 40 bytes; try a smaller batch_size",
        ),
        (KeyError("boom\nand more"), 1, "unexpected KeyError: 'boom"),
    ],
)
def test_a_failing_run_is_one_line(
    error: Exception, code: int, said: str, gan_train: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, error)
    shown = gan_train(*TINY, "steps=1")
    assert (shown.code, said in shown.line) == (code, True), shown.err
    (made,) = runs(folder)
    assert "Traceback" in (made / "train.log").read_text()
    if "unexpected" in said:
        assert str(made / "train.log") in shown.line


def test_a_traceback_on_demand(gan_train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_TRAIN_DEBUG", "1")
    assert "Traceback" in gan_train("steps=-1").err


def test_outputs_that_cannot_be_written(gan_train: Command, folder: Path) -> None:
    (folder / "outputs").write_text("a file")
    shown = gan_train(*TINY, "steps=1")
    assert (shown.code, "outputs" in shown.line) == (1, True)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_the_run_in_order(
    number: signal.Signals,
    code: int,
    folder: Path,
    gan_train: Command,
    subprocess_environment: dict[str, str],
) -> None:
    command = [sys.executable, "-m", "gan_cli", *TINY, "steps=1000000", "sample_every=0"]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=subprocess_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not list(folder.glob("outputs/*/*/metrics.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.05)
    (made,) = runs(folder)
    refused = gan_train(f"resume={made}")
    assert (refused.code, "still going on" in refused.line) == (2, True)
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == code
    assert out.splitlines()[-1] == f"resume with: {program('gan-train')} resume={made.relative_to(folder)}"
    (saved,) = (made / "checkpoints").iterdir()
    step = int(saved.name.split("_")[1].split("-")[0])
    shown = gan_train(f"resume={made.relative_to(folder)}", f"steps={step + 2}")
    assert (shown.code, f"done: {step + 2} steps" in shown.out) == (0, True), shown.err


def test_data_that_cannot_be_read_leaves_no_folder(gan_train: Command, folder: Path) -> None:
    """What only loading finds out is refused like all other input, and what else lies there stays."""
    pictures = folder / "pictures"
    pictures.mkdir()
    (pictures / "a.png").write_bytes(b"no picture")
    (pictures / "b.png").write_bytes(b"none either")
    bad = ["data=image_folder", "data.root=pictures", "data.size=16", "data.on_bad_image=skip", "device=cpu"]
    shown = gan_train(*bad)
    assert (shown.code, "pictures" in shown.line) == (2, True), shown.err
    assert not (folder / "outputs").exists() or not runs(folder)
    (folder / "mine").mkdir()
    (folder / "mine" / "notes").write_text("keep")
    assert gan_train(*bad, "hydra.run.dir=mine").code == 2
    assert (folder / "mine" / "notes").read_text() == "keep"
