"""Runs that a sweep ends early: what is told of them, and when they are gone on with."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gan_cli.cli.compose import saved
from gan_cli.cli.pruning import Pruning
from gan_cli.cli.standing import begin, standing
from gan_cli.observers.base import Settings
from gan_cli.run import run
from tests.launchers import pooled
from tests.observers.toy import begin as begun
from tests.observers.toy import make_run
from tests.test_combinations import built

RING = ["data=ring", "model=mlp", "device=cpu", "sample_every=0", "log_every=0"]
PRUNED = ["prune=1", "keep_best=reverse_kl", "steps=4000", "evaluate_every=2", "seed=0,1"]


def plant(folder: Path, steps: range) -> None:
    """A run that ended in order, better than any."""
    folder.mkdir(parents=True)
    lines = [json.dumps({"step": step, "evaluation/reverse_kl": -1.0}) + "\n" for step in steps]
    (folder / "metrics.jsonl").write_text("".join(lines))
    (folder / "summary.json").write_text(json.dumps({"outcome": "done"}))


def rule(warmup: int = 0) -> Pruning:
    return Pruning("reverse_kl", "lower", 1, warmup)


@pytest.mark.parametrize(("warmup", "looks"), [(0, [5, 10]), (6, [10]), (11, [])])
def test_the_rule_looks_at_each_evaluation_but_the_last(
    warmup: int, looks: list[int], tmp_path: Path
) -> None:
    plant(tmp_path / "earlier", range(5, 16, 5))
    run, state = begun(make_run(tmp_path / "own", steps=15, settings=Settings(evaluate_every=5)))
    (tmp_path / "own").mkdir(exist_ok=True)
    line = json.dumps({"step": 5, "evaluation/reverse_kl": 1.0}) + "\n"
    (tmp_path / "own/metrics.jsonl").write_text(line)
    found = []
    for step in range(1, 16):
        one = rule(warmup)
        one.start(run, state)
        one.after(step, state, {})
        found += [step] * one.pruned
    assert found == looks


@pytest.mark.parametrize("start", [0, 3])
def test_a_run_ends_by_the_evaluation_of_that_very_step(start: int, tmp_path: Path) -> None:
    """Of two evaluations the first is enough, wherever the run goes on from."""
    plant(tmp_path / "earlier", range(5, 11, 5))
    one, own, asked = rule(), tmp_path / "own", 0
    own.mkdir()
    words = [*RING, "evaluate_every=5", "keep_best=reverse_kl", "model.width=8"]
    if start:
        assert run(built(*words, f"steps={start}"), own) == (start, "done")

    def stop() -> bool:
        nonlocal asked
        asked += 1
        if start + asked > 5:
            pooled.until(lambda: one.pruned, seconds=60)
        return one.pruned

    assert run(built(*words, "steps=10"), own, bool(start), stop, then=[one]) == (5, "stopped")
    assert (own / ".pruned").is_file()
    assert (
        "pruned: its best reverse_kl by step 5 is worse than the median of 1 runs"
        in (own / "train.log").read_text()
    )


def test_a_look_that_comes_late_leaves_no_mark(tmp_path: Path) -> None:
    one, (run, state) = rule(), begun(make_run(tmp_path))
    one.start(run, state)
    one.pruned = True
    one.finish(10, state, "done")
    assert not (tmp_path / ".pruned").exists()


@pytest.mark.parametrize("launcher", ["pool", "ensemble"])
def test_what_fell_behind_is_told_and_left_alone(launcher: str, tmp_path: Path) -> None:
    plant(tmp_path / "all/earlier", range(2, 4001, 2))
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
