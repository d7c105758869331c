"""A sweep by Ray on one machine: what each job leaves, and what becomes of one that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_cli.observers.metrics_log import WALL_CLOCK, read
from tests.launchers import pooled

pytest.importorskip("ray", reason="the extra ray needs packages older than those of constraints.txt")
pytest.importorskip("hydra_plugins.hydra_ray_launcher")


def lines(job: Path) -> list[dict[str, float]]:
    """What the run logged, without the clock."""
    return [{k: v for k, v in line.items() if k not in WALL_CLOCK} for line in read(job / "metrics.jsonl")]


def test_jobs_are_what_they_are_alone_and_a_failure_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # whatever clusters this machine knows
    pooled.plant(tmp_path)
    words = ["--config-dir", "mine/configs", *pooled.QUICK, "steps=8", "data.raising=[0]"]
    init = "hydra.launcher.ray.init"
    local = [f"{init}.address=local", f"+{init}.num_cpus=1", f"+{init}.include_dashboard=false"]
    swept = ["-m", "hydra/launcher=ray", *local, "data.number=0,1", "hydra.sweep.dir=all"]
    ended = pooled.run(tmp_path, [*words, *swept])
    assert ended.returncode == 1, ended.stdout + ended.stderr
    told = [line for line in ended.stderr.splitlines() if line.startswith("gan-train: ")]
    assert told[0].startswith("gan-train: job 0: unexpected RuntimeError: planted in 0 ")
    assert told[1] == "gan-train: failed in the sweep: job 0; see above"
    assert "Traceback" not in ended.stdout + ended.stderr
    alone = pooled.run(tmp_path, [*words, "data.number=1", "hydra.run.dir=alone"])
    assert alone.returncode == 0, alone.stdout + alone.stderr
    assert pooled.summary(tmp_path / "all/1")["outcome"] == "done"
    assert lines(tmp_path / "all/1") == lines(tmp_path / "alone")
    places = [tmp_path / name / "checkpoints" for name in ("all/1", "alone")]
    assert sorted(p.name for p in places[0].iterdir()) == sorted(p.name for p in places[1].iterdir())
