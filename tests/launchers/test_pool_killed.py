"""Kills and signals: of a job, of its worker, of the sweep. Nothing is lost, and nobody is left behind."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gan_cli import checkpoint
from tests.launchers import pooled

SLOW = ["data.slow=true", "steps=400", "seed=0,1", "hydra.sweep.dir=all"]


def tensors(job: Path) -> dict[str, torch.Tensor]:
    """Those of the last checkpoint."""
    found, skipped = checkpoint.latest_good(job)
    assert found is not None
    assert not skipped
    return found.tensors


def test_killed_workers_and_sweeps_lose_nothing(tmp_path: Path) -> None:
    words, jobs = [*pooled.plant(tmp_path), *SLOW], [tmp_path / "all/0", tmp_path / "all/1"]
    with pooled.started(tmp_path, words) as sweep:
        pooled.until(lambda: all(pooled.steps(job)[-1:] > [8] for job in jobs), sweep)
        workers = [pooled.worker_of(pooled.holder(job) or 0) for job in jobs]
        pooled.kill(workers[0])
        pooled.until(lambda: pooled.holder(jobs[0]) is None, sweep, 20)
        pooled.until((jobs[0] / ".hydra/resume-1/overrides.yaml").exists, sweep)
        began = pooled.steps(jobs[0])[-1]
        pooled.until(lambda: pooled.steps(jobs[0])[-1] > began and pooled.steps(jobs[1])[-1] > began, sweep)
        again = [pooled.worker_of(pooled.holder(job) or 0) for job in jobs]
        assert again[0] != workers[0]
        assert again[1] == workers[1]
        pooled.kill(sweep.pid)
        _, err = sweep.communicate(timeout=60)
    assert (
        "job 0 failed: its worker was killed by SIGKILL; its log: all/0/console.log; it is tried again" in err
    )
    pooled.until(lambda: not pooled.processes(tmp_path), seconds=20)
    before = {job: pooled.steps(job) for job in jobs}
    assert all(pooled.summary(job)["outcome"] == "running" for job in jobs)
    (tmp_path / "released").touch()
    ended = pooled.run(tmp_path, words)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for number, job in enumerate(jobs):
        assert f"job {number} goes on" in ended.stdout
        assert pooled.steps(job) == list(range(4, 401, 4))
        assert before[job][-1] < 400
        assert f"running from step {before[job][-1] // 4 * 4}" in (job / "train.log").read_text()
    alone = [word for word in words if word not in ("-m", "seed=0,1") and not word.startswith("hydra")]
    ended = pooled.run(tmp_path, [*alone, "seed=1", "hydra.run.dir=alone"])
    assert ended.returncode == 0, ended.stderr
    wanted, found = tensors(tmp_path / "alone"), tensors(jobs[1])
    assert wanted.keys() == found.keys()
    assert all(torch.equal(tensor, found[name]) for name, tensor in wanted.items())


@pytest.fixture
def hangup_counts() -> Iterator[None]:
    """Nohup, under which the tests may run, has processes ignore the hangup, as it should."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.slow),
    ],
)
@pytest.mark.usefixtures("hangup_counts")
def test_a_signal_ends_all_jobs_in_order(number: signal.Signals, code: int, tmp_path: Path) -> None:
    words, jobs = [*pooled.plant(tmp_path), *SLOW, "seed=0,1,2"], [tmp_path / "all/0", tmp_path / "all/1"]
    with pooled.started(tmp_path, [*words, "checkpoint_every=0"]) as sweep:
        pooled.until(lambda: all(pooled.steps(job)[-1:] > [4] for job in jobs), sweep)
        sweep.send_signal(number)
        out, err = sweep.communicate(timeout=60)
    assert sweep.returncode == code, err
    assert "Traceback" not in out + err
    assert not pooled.processes(tmp_path)
    for job in jobs:
        assert pooled.summary(job)["outcome"] == "stopped"
        ((step, _),) = checkpoint.listed(job)
        assert step == pooled.summary(job)["step"]
    assert not (tmp_path / "all/2").exists()
    assert "job 2 begins" not in out
    assert f"job 0 stopped: stopped by {number.name}; all/0/console.log" in out
    assert "go on with: " in out


def test_a_second_signal_ends_them_at_once(tmp_path: Path) -> None:
    """Each step takes a minute: the first signal alone would wait for its end."""
    words = [
        *pooled.plant(tmp_path),
        "data.slow=true",
        "critic_steps=2000",
        "seed=0,1",
        "hydra.sweep.dir=all",
    ]
    jobs = [tmp_path / "all/0", tmp_path / "all/1"]
    with pooled.started(tmp_path, words) as sweep:
        pooled.until(lambda: all("running from the start" in pooled.printed(job) for job in jobs), sweep)
        sweep.send_signal(signal.SIGINT)
        pooled.until(lambda: all("stopping after this step" in pooled.printed(job) for job in jobs), sweep)
        assert sweep.poll() is None
        sweep.send_signal(signal.SIGINT)
        out, err = sweep.communicate(timeout=30)
    assert sweep.returncode == 130, err
    assert "Traceback" not in out + err
    assert not pooled.processes(tmp_path)
