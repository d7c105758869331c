"""A search by Optuna: what it is told, what it refuses, and when a run that falls behind is ended."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from gan_cli.cli import compose, request, search, sweeps, train
from gan_cli.cli.pruning import Point, Pruning, behind
from gan_cli.errors import InputError
from gan_cli.metrics.directions import Direction
from gan_cli.observers.base import Settings
from gan_cli.observers.metrics_log import read
from tests.launchers import pooled
from tests.observers.toy import begin, make_run

optuna = pytest.importorskip("optuna")
OPTUNA = ["--multirun", "hydra/sweeper=optuna", "hydra.sweeper.n_jobs=1"]
RING = ["data=ring", "model=mlp", "device=cpu", "sample_every=0", "log_every=0"]


def test_the_study_holds_each_runs_best_and_outlives_a_failure(tmp_path: Path) -> None:
    words = ["steps=6", "evaluate_every=2", "keep_best=reverse_kl", "hydra.sweep.dir=all"]
    stored = ["hydra.sweeper.storage=sqlite:///study.db", "hydra.sweeper.study_name=ring"]
    grid = ["hydra/sweeper/sampler=grid", "optimizer.critic.lr=choice(1e-3,1e30,1e-4)"]
    ended = pooled.run(tmp_path, [*OPTUNA, *RING, *words, *stored, *grid])
    assert ended.returncode == 1, ended.stdout + ended.stderr
    study = optuna.load_study(study_name="ring", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert study.direction == optuna.study.StudyDirection.MINIMIZE
    states = {float(trial.params["optimizer.critic.lr"]): trial.state.name for trial in study.trials}
    assert states == {1e-3: "COMPLETE", 1e-4: "COMPLETE", 1e30: "FAIL"}
    for trial in study.trials:
        if trial.state.name == "COMPLETE":
            lines = read(tmp_path / f"all/{trial.number}/metrics.jsonl")
            assert trial.value == min(line["evaluation/reverse_kl"] for line in lines)
    (failed,) = (trial.number for trial in study.trials if trial.state.name == "FAIL")
    assert f"job {failed}: " in ended.stderr
    assert ended.stderr.splitlines()[-1] == f"gan-train: failed in the sweep: job {failed}; see above"
    assert "Traceback" not in ended.stdout + ended.stderr


@pytest.mark.parametrize("launcher", ["pool", "ensemble"])
def test_the_study_is_told_by_launchers_of_many_jobs(launcher: str, tmp_path: Path) -> None:
    words = ["--multirun", "hydra/sweeper=optuna", "hydra.sweeper.n_jobs=2", *RING, "steps=4"]
    chosen = ["hydra/sweeper/sampler=grid", "optimizer.critic.lr=choice(1e-3,1e-4)", "evaluate_every=2"]
    stored = ["hydra.sweeper.storage=sqlite:///study.db", "hydra.sweeper.study_name=ring"]
    places = [f"hydra/launcher={launcher}", "keep_best=reverse_kl", "hydra.sweep.dir=all"]
    ended = pooled.run(tmp_path, [*words, *chosen, *stored, *places, "hydra.sweeper.n_trials=2"])
    assert ended.returncode == 0, ended.stdout + ended.stderr
    study = optuna.load_study(study_name="ring", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert {trial.params["optimizer.critic.lr"] for trial in study.trials} == {1e-3, 1e-4}
    for trial in study.trials:
        lines = read(tmp_path / f"all/{trial.number}/metrics.jsonl")
        assert trial.value == min(line["evaluation/reverse_kl"] for line in lines)


def planned(*words: str) -> compose.Plan:
    return compose.plan(request.parse([*OPTUNA, *RING, *words]))


def test_the_direction_is_the_numbers() -> None:
    assert search.settings(planned("keep_best=reverse_kl")) == ["hydra.sweeper.max_failure_rate=1.0"]
    patient = planned("keep_best=modes_covered", "hydra.sweeper.max_failure_rate=0.5")
    assert search.settings(patient) == ["hydra.sweeper.direction=maximize"]
    agreed = planned("keep_best=modes_covered", "hydra.sweeper.direction=maximize")
    assert search.settings(agreed) == ["hydra.sweeper.max_failure_rate=1.0"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("steps=3", "set it, such as keep_best=reverse_kl"),
        ("keep_best=reverse_kl study=unrolled_ring", "a study is a series of runs"),
        ("keep_best=reverse_kl hydra.sweeper.direction=maximize", "better the lower it is"),
        ("keep_best=modes_covered hydra.sweeper.direction=minimize", "better the higher it is"),
        ("keep_best=reverse_kl hydra.sweeper.n_trials=0", "n_trials must be a whole number ≥ 1, got 0"),
        ("keep_best=reverse_kl hydra.sweeper.n_jobs=0", "n_jobs must be a whole number ≥ 1, got 0"),
        ("keep_best=reverse_kl hydra.sweeper.direction=[minimize,minimize]", "goes by one number"),
        ("keep_best=reverse_kl,modes_covered", "the same in all of its runs"),
        ("keep_best=reverse_kl optimizer.critic.lrr=interval(0.1,1.0)", "did you mean 'lr'?"),
        ("keep_best=reverse_kl optimizer.critic.lr=interval(-1.0,1.0)", "must be above 0, got -1.0"),
        ("keep_best=reverse_kl optimizer.critic.lr=choice(1e-3,0)", "must be above 0, got 0"),
        ("keep_best=reverse_kl batch_size=interval(16,64)", "batch_size must be a whole number, got 45.66"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_a_folder_is_made(
    words: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="^[^\n]+$") as refused:
        train.command([*OPTUNA, *RING, *words.split()])
    assert said in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_examples_hold_each_choice_and_both_ends_once() -> None:
    node = {"_target_": search.OPTUNA, "params": {"a": "choice(x,y)", "b": "interval(0, 1)", "c": "range(9)"}}
    found = sweeps.jobs(node, ["c=5", "d=int(interval(1, 4))", "~e"])
    assert found[0] == ["a=x", "b=0.0", "c=5", "d=1", "~e"]
    further = [line for job in found[1:] for line in job if line not in found[0]]
    assert further == ["a=y", "b=1.0", "b=0.6180339887", "d=4"]


@pytest.mark.parametrize("way", ["higher", "lower"])
def test_the_median_rule_is_optunas(way: Direction) -> None:
    numbers = random.Random(1)
    study = optuna.create_study(
        direction="maximize" if way == "higher" else "minimize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=1),
    )
    seen: set[bool] = set()
    curves: list[list[Point]] = []
    for _ in range(30):
        values = [round(numbers.gauss(0, 1), 1) for _ in range(6)]
        trial, curve = study.ask(), []
        for step, value in enumerate(values, 1):
            curve.append(Point(step, value))
            # Optuna compares with what others reported at a step: here their best up to it.
            trial.report(_best(curve, way), step)
            if curves:
                seen.add(behind(curve, curves, way))
                assert trial.should_prune() == behind(curve, curves, way)
        study.tell(trial, _best(curve, way))
        curves.append(curve)
    assert seen == {True, False}


def _best(curve: Sequence[Point], way: Direction) -> float:
    return (max if way == "higher" else min)(point.value for point in curve)


def test_a_run_without_a_finite_value_is_behind_those_that_have_one() -> None:
    nothing, something = [Point(1, math.nan)], [Point(1, 5.0)]
    assert behind(nothing, [something], "lower")
    assert not behind(nothing, [nothing], "lower")
    assert not behind(something, [[Point(2, 1.0)], nothing], "lower")  # none was measured up to step 1
    assert not behind(something, [[]], "lower")


def finished(folder: Path, value: float, outcome: str = "done") -> None:
    folder.mkdir()
    lines = [{"step": step, "evaluation/reverse_kl": value} for step in (2, 4, 6)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "summary.json").write_text(json.dumps({"outcome": outcome}))


@pytest.mark.parametrize(
    ("enough", "warmup", "pruned"), [(2, 0, True), (2, 6, True), (2, 7, False), (3, 0, False)]
)
def test_pruning_waits_for_runs_that_are_done_and_for_its_warmup(
    enough: int, warmup: int, pruned: bool, tmp_path: Path
) -> None:
    for name, outcome in {"a": "done", "b": "done", "c": "running", "d": "stopped"}.items():
        finished(tmp_path / name, 1.0, outcome)
    finished(tmp_path / "own", 2.0, "running")
    rule = Pruning("reverse_kl", "lower", enough, warmup)
    run, state = begin(make_run(tmp_path / "own", settings=Settings(evaluate_every=6)))
    rule.start(run, state)
    found = []
    for step in (4, 5, 6, 7):
        rule.after(step, state, {})
        found.append(rule.pruned)
    assert found == [False, False, pruned, pruned]


def test_a_pruned_run_ends_early_and_is_told_as_what_it_reached(tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    finished(tmp_path / "all/earlier", -1.0)
    lines = ["prune=1", "keep_best=reverse_kl", "steps=4000", "evaluate_every=2", "hydra.sweep.dir=all"]
    found = ["hydra.sweeper.n_trials=1", "seed=range(0,9)"]
    ended = pooled.run(tmp_path, [*OPTUNA, *RING, *lines, *found])
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "pruned: its best reverse_kl by step" in ended.stderr
    summary = json.loads((tmp_path / "all/0/summary.json").read_text())
    assert (summary["outcome"], summary["step"] < 4000) == ("stopped", True)
    lowest = min(line["evaluation/reverse_kl"] for line in read(tmp_path / "all/0/metrics.jsonl"))
    assert f"Best value: {lowest}" in ended.stdout
