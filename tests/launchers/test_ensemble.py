"""Sweeps whose jobs are trained side by side: what each leaves behind, and what becomes of the others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from gan_cli import checkpoint
from gan_cli.observers.metrics_log import WALL_CLOCK, read

TINY = [
    *["data=ring", "model=mlp", "model.width=8", "model.latent=4", "batch_size=6", "device=cpu"],
    *["log_every=2", "sample_every=0", "evaluate_every=0", "checkpoint_every=5", "runtime.precision=fp64"],
]
SIDE_BY_SIDE = ["-m", "hydra/launcher=ensemble", "hydra.launcher.compile=off", "hydra.launcher.width=32"]


def gan_train(folder: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """The command in that folder, in a process of its own; its exit code is `code`."""
    ended = subprocess.run(
        [sys.executable, "-m", "gan_cli", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended


def lines(run: Path) -> list[dict[str, float]]:
    """The run's metrics.jsonl without the clock."""
    return [{k: v for k, v in line.items() if k not in WALL_CLOCK} for line in read(run / "metrics.jsonl")]


def tensors(run: Path) -> dict[str, torch.Tensor]:
    """Those of the run's last checkpoint."""
    found, skipped = checkpoint.latest_good(run)
    assert found is not None
    assert not skipped
    return found.tensors


def summary(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return content


def files(run: Path) -> set[str]:
    """The names below a run's folder, without what differs between any two runs."""
    found = (path.relative_to(run) for path in run.rglob("*") if path.is_file())
    return {str(path).split("-")[0].split(".vm.")[0].split(".tfevents.")[0] for path in found}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of seeds, rates and weights in two chunks, of which every other job diverges."""
    folder = tmp_path_factory.mktemp("swept")
    words = [*TINY, "steps=50", "trick=[r1,instance_noise]", "seed=0,1", "trick.r1.gamma=0,2"]
    ended = gan_train(
        folder, *SIDE_BY_SIDE, *words, "optimizer.critic.lr=1e-3,1e300", "hydra.sweep.dir=all", code=1
    )
    (folder / "out").write_text(ended.stdout)
    (folder / "err").write_text(ended.stderr)
    return folder


def test_a_diverged_job_is_told_and_the_others_end_in_order(swept: Path) -> None:
    outcomes = [summary(swept / "all" / str(job))["outcome"] for job in range(8)]
    assert outcomes == ["done", "failed"] * 4
    assert "Error executing job" not in (swept / "err").read_text()  # Hydra's own line
    told = [line for line in (swept / "err").read_text().splitlines() if line.startswith("gan-train:")]
    assert sorted(line.split(":")[1] for line in told[:4]) == [f" job {job}" for job in (1, 3, 5, 7)]
    assert all("step " in line for line in told[:4])
    assert len(told) == 5
    assert told[4].startswith("gan-train: failed in the sweep: job ")
    assert "Traceback" in (swept / "all/1/train.log").read_text()
    assert "failed after step" in (swept / "all/1/train.log").read_text()


def test_a_job_is_what_it_is_alone(swept: Path) -> None:
    words = [*TINY, "steps=50", "trick=[r1,instance_noise]", "seed=1", "trick.r1.gamma=2"]
    gan_train(swept, *words, "optimizer.critic.lr=1e-3", "hydra.run.dir=alone")
    alone, member = swept / "alone", swept / "all/6"
    assert files(alone) == files(member)
    for one, other in zip(lines(alone), lines(member), strict=True):
        assert one == pytest.approx(other, rel=1e-7, abs=1e-9)
    here, there = tensors(alone), tensors(member)
    assert here.keys() == there.keys()
    for name, tensor in here.items():
        assert (tensor.shape, tensor.dtype) == (there[name].shape, there[name].dtype)
        torch.testing.assert_close(tensor, there[name], rtol=1e-7, atol=1e-9)
    assert (alone / ".hydra/config.yaml").read_text() == (member / ".hydra/config.yaml").read_text()
    own = [line.split(maxsplit=3)[3] for line in (alone / "train.log").read_text().splitlines()]
    said = [line.split(maxsplit=3)[3] for line in (member / "train.log").read_text().splitlines()]
    assert [line.split("  ")[:2] for line in own] == [line.split("  ")[:2] for line in said]


def test_what_cannot_share_a_graph_is_in_another_ensemble_or_by_itself(tmp_path: Path) -> None:
    words = [*TINY, "steps=2", "batch_size=4,6", "trick=[unrolled]", "trick.unrolled.recompute=false,true"]
    ended = gan_train(tmp_path, *SIDE_BY_SIDE, *words, "hydra.sweep.dir=all")
    said = ended.stdout + ended.stderr
    assert "ensemble 1 of 2" in said
    assert "ensemble 2 of 2" in said
    assert "job 1 runs by itself: trick.unrolled.recompute=true" in said
    assert "job 3 runs by itself: trick.unrolled.recompute=true" in said
    assert [summary(tmp_path / "all" / str(job))["outcome"] for job in range(4)] == ["done"] * 4


def test_the_same_command_again_goes_on_together(tmp_path: Path) -> None:
    """Stopped by a signal, then gone on with, one job alone and the others together, as if never stopped."""
    words = [*TINY, "steps=3000", "log_every=500", "checkpoint_every=1000", "seed=0,1,2"]
    command = [*SIDE_BY_SIDE, *words, "hydra.sweep.dir=all"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gan_cli", *command],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log = tmp_path / "all/2/train.log"
    while not (log.is_file() and "running" in log.read_text()):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate()
    assert process.returncode == 143, said
    assert said.count("resume with: ") == 3
    stopped = {summary(tmp_path / "all" / str(job))["step"] for job in range(3)}
    assert len(stopped) == 1
    last = max(stopped) + 4
    more = [word if not word.startswith("steps=") else f"steps={last}" for word in command]
    gan_train(tmp_path, "resume=all/1", f"steps={last}")
    again = gan_train(tmp_path, *more)
    assert "1 of 3 jobs were finished before" in again.stdout + again.stderr
    straight = [word if word != "hydra.sweep.dir=all" else "hydra.sweep.dir=straight" for word in more]
    gan_train(tmp_path, *straight)
    for job in (0, 2):
        here, there = tensors(tmp_path / f"all/{job}"), tensors(tmp_path / f"straight/{job}")
        assert all(torch.equal(tensor, there[name]) for name, tensor in here.items())
    assert summary(tmp_path / "all/1")["step"] == last
    assert (tmp_path / "all/0/.hydra/resume-1/config.yaml").is_file()


BROKEN = """
import sys
from gan_cli.launchers import ensemble_training
from gan_cli.cli.train import main

def broken(*_):
    raise RuntimeError("planted")

ensemble_training._Watched.__init__ = broken
sys.exit(main())
"""


def test_jobs_whose_training_never_began_are_told_as_failed(tmp_path: Path) -> None:
    words = [*SIDE_BY_SIDE, *TINY, "steps=2", "seed=0,1,2", "hydra.sweep.dir=all"]
    ended = subprocess.run(
        [sys.executable, "-c", BROKEN, *words],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    told = [line for line in ended.stderr.splitlines() if line.startswith("gan-train: job ")]
    assert [line.split(":")[1] for line in told] == [" job 0", " job 1", " job 2"]
    assert all("planted" in line for line in told)
    assert ended.stderr.splitlines()[-1] == "gan-train: failed in the sweep: job 0, 1, 2; see above"


def test_jobs_go_on_where_nobody_reads_what_they_print(tmp_path: Path) -> None:
    words = [*SIDE_BY_SIDE, *TINY, "steps=2,4", "hydra.sweep.dir=all"]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        subprocess.run(
            [sys.executable, "-m", "gan_cli", *words],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
            check=False,
            stdout=writing,
            stderr=subprocess.DEVNULL,
        )
    finally:
        os.close(writing)
    found = [summary(tmp_path / "all" / str(job)) for job in range(2)]
    assert [(one["outcome"], one["step"]) for one in found] == [("done", 2), ("done", 4)]
