"""Sweeps by submitit: what a job leaves, what becomes of failures, and of a job that Slurm queues again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

import pytest

from gan_cli.cli import failures
from gan_cli.cli.stopping import Stop
from gan_cli.observers.metrics_log import WALL_CLOCK, read
from tests.launchers import pooled

pytest.importorskip("submitit")
JOBS = ["steps=8", "data.raising=[1]", "data.killed=[2]"]
Swept = tuple[Path, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """A sweep of three, one of which raises and one of which is killed: its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("submitit")
    pooled.plant(folder)
    words = ["-m", "--config-dir", "mine/configs", "hydra/launcher=submitit_local", *pooled.QUICK, *JOBS]
    return folder, pooled.run(folder, [*words, "data.number=range(0,3)", "hydra.sweep.dir=all"])


def lines(job: Path) -> list[dict[str, float]]:
    """What the run logged, without the clock."""
    return [{k: v for k, v in line.items() if k not in WALL_CLOCK} for line in read(job / "metrics.jsonl")]


def names(job: Path) -> set[str]:
    """The names in a run's folder, without the number of the process."""
    return {path.name.split(".tfevents.")[0] for path in job.iterdir()}


def test_failures_are_told_in_a_line_each_and_stop_no_other(swept: Swept) -> None:
    folder, ended = swept
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert pooled.summary(folder / "all/0")["outcome"] == "done"
    raised, last = ended.stderr.splitlines()
    assert raised.startswith("gan-train: job 1: unexpected RuntimeError: planted in 1 ")
    assert last.startswith("gan-train: failed in the sweep: job 1; see above; submitit: Job ")
    assert "has not produced any output" in last
    assert last.endswith("; its logs are in all/.submitit")
    (log,) = (log for log in folder.glob("all/.submitit/*/*_log.out") if "about to die" in log.read_text())
    assert "run: all/2\n" in log.read_text()


def test_a_job_is_what_it_is_alone(swept: Swept) -> None:
    folder, _ = swept
    words = ["--config-dir", "mine/configs", *pooled.QUICK, *JOBS, "data.number=0", "hydra.run.dir=alone"]
    ended = pooled.run(folder, words)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    job, alone = folder / "all/0", folder / "alone"
    assert names(job) == names(alone)
    assert lines(job) == lines(alone)
    assert (job / ".hydra/config.yaml").read_text() == (alone / ".hydra/config.yaml").read_text()
    assert {path.name for path in (job / "checkpoints").iterdir()} == {
        path.name for path in (alone / "checkpoints").iterdir()
    }


def test_a_job_that_slurm_starts_again_goes_on_from_its_last_checkpoint(swept: Swept) -> None:
    folder, _ = swept
    job, whole = folder / "all/0", lines(folder / "all/0")
    (last,) = (job / "checkpoints").glob("step_00000008-*.pt")
    last.unlink()
    (job / "summary.json").unlink()
    place = next(log for log in folder.glob("all/.submitit/*/*_log.out") if "run: all/0" in log.read_text())
    ranks = dict.fromkeys(("NODEID", "GLOBALID", "LOCALID"), "0")
    own = {"JOB_ID": place.parent.name, "NTASKS": "1", "JOB_NUM_NODES": "1"} | ranks
    started = {f"SUBMITIT_LOCAL_{key}": value for key, value in own.items()}
    subprocess.run(  # what submitit's batch script runs at each start
        [sys.executable, "-u", "-m", "submitit.core._submit", str(place.parent)],
        cwd=folder,
        env=pooled.environment() | started | {"SUBMITIT_EXECUTOR": "local", "SLURM_RESTART_COUNT": "1"},
        check=True,
        capture_output=True,
        timeout=300,
    )
    assert pooled.summary(job)["outcome"] == "done"
    assert "from step 4 to step 8" in (job / "train.log").read_text()
    assert lines(job) == whole
    assert (job / "checkpoints" / last.name).is_file()


@pytest.mark.parametrize(("count", "again"), [(None, False), ("", False), ("0", False), ("2", True)])
def test_slurm_counts_the_starts(count: str | None, again: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
    if count is not None:
        monkeypatch.setenv("SLURM_RESTART_COUNT", count)
    assert failures.requeued() == again


def test_submitit_keeps_its_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    def engine(number: int, frame: FrameType | None) -> None:
        caught.append(number)

    caught: list[int] = []
    before = signal.signal(signal.SIGTERM, engine)
    try:
        with Stop().installed() as stop:
            signal.raise_signal(signal.SIGTERM)
            assert (stop.signal, caught) == (None, [signal.SIGTERM])
    finally:
        signal.signal(signal.SIGTERM, before)


def test_slurm_is_asked_for_what_the_config_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, script in (
        ("srun", ""),
        ("sbatch", 'cp "$1" asked\necho "sbatch: error: invalid partition" >&2\nexit 1\n'),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), os.environ["PATH"]]))
    words = ["hydra/launcher=slurm", "hydra.launcher.partition=gpu", "seed=1,2", "hydra.sweep.dir=all"]
    few = ["-m", "data=ring", "model=mlp", "device=cpu", "hydra.launcher.array_parallelism=1"]
    ended = pooled.run(tmp_path, [*few, *words])
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("gan-train: submitit: sbatch: error: invalid partition")
    assert "Traceback" not in ended.stderr
    asked = (tmp_path / "asked").read_text().splitlines()
    for line in ("partition=gpu", "time=240", "cpus-per-task=2", "gpus-per-node=1", "array=0-1%1"):
        assert f"#SBATCH --{line}" in asked
    assert "#SBATCH --signal=USR2@120" in asked
