"""Studies and estimates are jobs like others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.launchers import pooled

STUDY = [
    *(
        "experiment=unrolled_ring",
        "device=cpu",
        "runtime.compile=off",
        "steps=4",
        "batch_size=8",
        "model.width=4",
    ),
    *(
        "model.latent=2",
        "study.seeds=1",
        "study.steps_ahead=[0,1]",
        "study.measure_every=2",
        "study.samples=50",
    ),
]
POOL = ["-m", "hydra/launcher=pool", "hydra.launcher.workers=1", "hydra.sweep.dir=all"]


@pytest.mark.slow
def test_a_finished_study_is_left_alone(tmp_path: Path) -> None:
    words = [*POOL, *STUDY, "seed=0,1"]
    ended = pooled.run(tmp_path, words)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for number in (0, 1):
        json.loads((tmp_path / f"all/{number}/results.json").read_text())
        assert (tmp_path / f"all/{number}/table.md").is_file()
    (tmp_path / "all/1/.done").unlink()
    kept = pooled.state(tmp_path / "all/0")
    again = pooled.run(tmp_path, words)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "1 of 2 jobs were finished before" in again.stdout
    assert "job 1 goes on" in again.stdout
    assert pooled.state(tmp_path / "all/0") == kept


@pytest.mark.slow
def test_estimates_are_made_in_a_pool(tmp_path: Path) -> None:
    words = [
        "p=gaussian",
        "q=gaussian",
        "device=cpu",
        "steps=4",
        "samples=200",
        "checks=1",
        "seed=0,1",
        *POOL,
    ]
    command = [sys.executable, "-m", "gan_cli.cli.estimate", *words]
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        env=pooled.environment(),
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert all((tmp_path / f"all/{number}/results.json").is_file() for number in (0, 1))
    assert "job 1 done in" in ended.stdout
