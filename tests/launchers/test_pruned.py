"""Runs that a sweep ends early: what is told of them, and when they are gone on with."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gan_cli.cli.compose import saved
from gan_cli.cli.standing import begin, standing
from tests.launchers import pooled

RING = ["data=ring", "model=mlp", "device=cpu", "sample_every=0", "log_every=0"]
PRUNED = ["prune=1", "keep_best=reverse_kl", "steps=4000", "evaluate_every=2", "seed=0,1"]


@pytest.mark.parametrize("launcher", ["pool", "ensemble"])
def test_what_fell_behind_is_told_and_left_alone(launcher: str, tmp_path: Path) -> None:
    better = tmp_path / "all/earlier"
    better.mkdir(parents=True)
    lines = [json.dumps({"step": step, "evaluation/reverse_kl": -1.0}) + "\n" for step in (2, 4, 6)]
    (better / "metrics.jsonl").write_text("".join(lines))
    (better / "summary.json").write_text(json.dumps({"outcome": "done"}))
    words = ["-m", f"hydra/launcher={launcher}", *RING, *PRUNED, "hydra.sweep.dir=all"]
    ended = pooled.run(tmp_path, words)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    kept = {number: pooled.state(tmp_path / f"all/{number}") for number in (0, 1)}
    again = pooled.run(tmp_path, words)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "2 of 2 jobs were finished before" in again.stdout + again.stderr
    assert {number: pooled.state(tmp_path / f"all/{number}") for number in kept} == kept
    if launcher == "pool":
        assert all(f"job {number} ended early (pruned) in " in ended.stdout for number in (0, 1))
        for out in (ended.stdout, again.stdout):
            assert len(re.findall(r" pruned at \d+/4000 ", out)) == 2, out
            assert "go on with: " not in out


def test_a_pruned_run_goes_on_without_pruning(tmp_path: Path) -> None:
    run = tmp_path / "run"
    ended = pooled.run(tmp_path, [*RING, "steps=2", "keep_best=reverse_kl", "prune=1", "hydra.run.dir=run"])
    assert ended.returncode == 0, ended.stdout + ended.stderr
    summary = pooled.summary(run)
    (run / "summary.json").write_text(json.dumps({**summary, "outcome": "stopped"}))
    config = {**saved(run / ".hydra/config.yaml"), "steps": 9}
    found = [standing(run, config)]
    (run / ".pruned").touch()
    found += [standing(run, config), standing(run, {**config, "prune": None})]
    (run / "summary.json").write_text(json.dumps({**summary, "outcome": "failed"}))
    found.append(standing(run, config))
    (run / "summary.json").write_text(json.dumps({**summary, "outcome": "stopped"}))
    begin(run)
    assert [*found, standing(run, config)] == ["partial", "finished", "partial", "partial", "partial"]
