"""`gan-estimate`: what it refuses, what it leaves, and a finished run's generator as one of the laws."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gan_cli.cli import estimate, folders, inquiry
from gan_cli.observers.events import PATTERN, decode
from gan_cli.schema import ESTIMATE
from tests.cli.conftest import Command, called

ROOT = Path(__file__).parents[2]
QUICK = ["steps=20", "batch_size=16", "samples=200", "checks=2", "hydra.run.dir=out"]

AT_ONCE: dict[str, list[str]] = {
    "stepz=3": ["no key stepz (did you mean 'steps'?)"],
    "p=rng": ["no p=rng (did you mean 'ring'?)"],
    "q=null": ["no q=null", "ring"],
    "~p": ["needs its p"],
    "q.men=3": ["no key q.men (did you mean 'means'?)"],
    "data=ring": ["no key data"],
    "model=mlp": ["no key model"],
    "trick=[r1]": ["no key trick"],
    "critic=cnv": ["did you mean 'conv'?"],
    "loss=fgan_kll": ["did you mean 'fgan_kl'?"],
    "steps=0": ["steps must be at least 1, got 0"],
    "samples=3": ["samples must be at least 100, got 3"],
    "device=gpu": ["device", "'gpu'"],
    "p=ring,grid": ["p=ring,grid", "--multirun"],
    "+x=1": ["no key x"],
    "+steps=3": ["write steps=3"],
    "~optimizer": ["not removed"],
    "q=run": ["q.folder has no value: set it with q.folder=..."],
    "--help pp": ["no group or key pp (did you mean 'p'?)"],
    "--cnfig-dir=x": ["'--config-dir'"],
}
WITH_CLASSES: dict[str, list[str]] = {
    "loss=wgan": ["K·W₁(P, Q)", "Lipschitz"],
    "-m loss=gan,wgan": ["Lipschitz", "loss=wgan"],
    "p=ring q=mixture1d": ["one shape, got [2] and [1]"],
    "p=digits q=digits q.pixel_range=[0,1]": ["one pixel_range, got (-1.0, 1.0) and (0.0, 1.0)"],
    "p.std=[-1]": ["p.std must be above 0, got -1.0"],
    "p.mean=[0,1,2] p.dimension=2": ["p.mean must be one number or 2"],
    "p.covariance=[[1,2],[2,1]]": ["p.covariance", "positive definite"],
    "+q.foo=3": ["no q.foo: Mixture takes no 'foo'"],
    "critic=conv": ["critic", "square image"],
    "critic.width=0": ["critic.width must be at least 1, got 0"],
    "optimizer.lr=-1": ["optimizer.lr must be above 0, got -1.0"],
    "average=1": ["average must be at least 0 and below 1, got 1.0"],
    "q=run q.folder=nowhere": ["q: folder=nowhere: there is no such folder"],
    "q=run q.folder=.": ["folder=.: no run's folder"],
}


@pytest.fixture
def gan_estimate(gan_train: Command, capsys: pytest.CaptureFixture[str]) -> Command:
    return called(estimate.main, capsys)


def results(folder: str = "out") -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(folder, "results.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("line", AT_ONCE)
def test_refused_at_once(
    line: str, gan_estimate: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(config: object) -> None:
        raise AssertionError("only the checks that import torch saw it")

    monkeypatch.setattr(inquiry, "inquiry", late)
    answer = gan_estimate(*line.split())
    assert (answer.code, list(folder.iterdir())) == (2, []), answer.err
    assert answer.line.startswith("gan-estimate: ")
    assert not [word for word in AT_ONCE[line] if word not in answer.line], answer.line


@pytest.mark.parametrize("line", WITH_CLASSES)
def test_refused_before_a_folder_is_made(line: str, gan_estimate: Command, folder: Path) -> None:
    answer = gan_estimate(*line.split())
    assert (answer.code, list(folder.iterdir())) == (2, []), answer.err
    assert not [word for word in WITH_CLASSES[line] if word not in answer.line], answer.line


@pytest.mark.parametrize("argv", [["--help"], ["--cfg", "job"], ["p=rng"], ["--version"]])
def test_it_answers_within_a_second(
    argv: list[str], tmp_path: Path, subprocess_environment: dict[str, str]
) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "gan_cli.cli.estimate", *argv]
    done = subprocess.run(
        command, cwd=tmp_path, env=subprocess_environment, capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == (2 if "=" in argv[0] else 0), done.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


def test_help_names_every_group_option_and_key(gan_estimate: Command) -> None:
    shown = gan_estimate("--help").out
    words = shown.replace(",", " ").split()
    found = ESTIMATE.options(folders.options([ROOT / "configs"]))
    assert set(found) == {"p", "q", "loss", "critic"}
    for group, names in found.items():
        assert f"{group}:" in words
        assert set(names) <= set(words), group
    assert set(ESTIMATE.keys) <= set(words)
    assert "  ring" in gan_estimate("--help", "q").out
    assert gan_estimate("--version").out.startswith("gan-estimate ")


def test_an_estimate_and_what_it_leaves(gan_estimate: Command, folder: Path) -> None:
    line = ["p=gaussian", "p.mean=[0]", "q=gaussian", "q.mean=[1]", "loss=fgan_kl"]
    done = gan_estimate(*line, *QUICK)
    assert done.code == 0, done.err
    assert "bound on KL(P‖Q)" in done.out
    found = results()
    assert found["divergence"] == "KL(P‖Q)"
    assert found["truth"]["exact"]["value"] == pytest.approx(0.5)
    assert found["bound"]["low"] < found["bound"]["value"] < found["bound"]["high"]
    assert isinstance(found["reliable"], bool)
    assert found["samples"] == [200, 200]
    names = {"bound.png", "score.png", "log_ratio.png", "reliability.png"}
    assert names <= {path.name for path in Path("out").iterdir()}
    assert Path("out/.hydra/overrides.yaml").is_file()
    (events,) = Path("out").glob(PATTERN)
    tags = {v.tag for event, _ in decode(events.read_bytes()) for v in event.summary.value}
    assert {"validation/bound", "held_out/bound", "score", "reliability"} <= tags
    again = gan_estimate(*line, *QUICK)
    assert (again.code, "holds a run already" in again.line) == (2, True)


def test_a_doubtful_number_is_called_so(gan_estimate: Command, folder: Path) -> None:
    line = ["p=gaussian", "p.mean=[0]", "p.std=[3]", "q=gaussian", "q.mean=[0]", "loss=fgan_pearson"]
    done = gan_estimate(*line, *QUICK)
    assert done.code == 0, done.err
    assert "UNRELIABLE" in done.out
    assert "warning: " in done.out
    assert results()["reliable"] is False
    assert results()["truth"]["exact"]["value"] == "Infinity"


@pytest.mark.parametrize(
    "line",
    [
        "p=digits q=digits p.size=8 q.size=8 critic.width=8",
        "p=digits q=fake p.size=8 q.size=8 q.count=300 critic=conv critic.width=4 loss=lsgan",
        "p.mean=[0] q=mixture1d loss=rpgan critic.width=8",
        "p.mean=[0] q=mixture1d loss=fgan_tv critic.width=8",
    ],
)
def test_any_pair_of_laws(line: str, gan_estimate: Command, folder: Path) -> None:
    done = gan_estimate(*line.split(), *QUICK)
    assert done.code == 0, done.err
    assert results()["bound"]["standard_error"] > 0


def test_a_sweep(gan_estimate: Command, folder: Path) -> None:
    sweep = [*QUICK[:-1], "hydra.sweep.dir=all", "critic.width=8"]
    done = gan_estimate("-m", "p=mixture,gaussian", "q=gaussian", "loss=gan", *sweep)
    assert done.code == 0, done.err
    assert [results(f"all/{n}")["config"]["p"]["_target_"][-4:] for n in (0, 1)] == ["ture", "sian"]


def test_a_finished_runs_generator_is_a_law(gan_train: Command, gan_estimate: Command, folder: Path) -> None:
    metric = ["metric=[critic_refit]", "metric.critic_refit.steps=20", "metric.critic_refit.samples=300"]
    line = ["data=ring", "model=mlp", "steps=4", "evaluate_every=2", "batch_size=8", *metric]
    assert gan_train(*line, "hydra.run.dir=run").code == 0
    logged = [json.loads(x) for x in Path("run/metrics.jsonl").read_text().splitlines()]
    refits = [x for x in logged if "evaluation/refit_bound" in x]
    assert [x["step"] for x in refits] == [2, 4]
    assert refits[0]["evaluation/refit_bound_error"] > 0
    done = gan_estimate("p=ring", "q=run", "q.folder=run", "critic.width=8", *QUICK)
    assert done.code == 0, done.err
    assert results()["truth"] is None
    assert gan_train("data=run", "data.folder=run", "model=mlp", "steps=2", "batch_size=4").code == 0
    for file in Path("run/checkpoints").iterdir():
        file.unlink()
    refused = gan_estimate("q=run", "q.folder=run")
    assert (refused.code, "no checkpoint yet" in refused.line) == (2, True)
    inside = gan_estimate("q=run", "q.folder=run/checkpoints")
    assert "folder=run" in inside.line


def test_metrics_are_chosen_like_tricks(gan_train: Command, folder: Path) -> None:
    assert "did you mean 'critic_refit'" in gan_train("metric=[critic_refitt]").line
    assert "add 'metric=[critic_refit]'" in gan_train("metric.critic_refit.steps=3").line
    line = ["data=ring", "model=mlp", "metric=critic_refit"]
    assert (
        "metric.critic_refit.steps must be at least 1" in gan_train(*line, "metric.critic_refit.steps=0").line
    )
    assert "Lipschitz" in gan_train(*line, "loss=wgan").line
    assert "filled in" in gan_train(*line, "+metric.critic_refit.loss=3").line
    assert not list(folder.iterdir())
