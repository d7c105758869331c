"""The commands on runs of learners other than a plain game: what they draw, measure and refuse."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gan_cli.cli import compare, estimate, evaluate, sample
from tests.cli.conftest import Command, called, trained_runs
from tests.kinds import small

QUICK = ["batch_size=6", "steps=2", "sample_every=2", "evaluate_every=0", "device=cpu"]
GREY = ["data=fake", "data.size=16", "data.count=40", "data.pixel_range=[0,1]"]
BINARY = [*GREY, "data.binarize=stochastic"]
RUNS = {
    "vae": [*BINARY, "model=vae", "model.density.hidden=[8]", "model.condition=concat"],
    "made": [*BINARY, "model=made", "model.density.hidden=[8]"],
    "nade": [*BINARY, "model=nade", "model.density.hidden=4"],
    "rbm": [*BINARY, "model=rbm", *small("rbm")],
    "lapgan": [*GREY, "model=lapgan", "model.width=4"],
    "dcgan": [*GREY, "model=dcgan", "model.width=4", "model.condition=projection"],
}
JUMP = ("made", "nade", "rbm")
"""Those whose samples are not smooth in the latent."""
MAINS = {"gan-sample": sample.main, "gan-eval": evaluate.main, "gan-estimate": estimate.main}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds a short run of each."""
    return trained_runs(
        tmp_path_factory.mktemp("runs"), {name: [*lines, *QUICK] for name, lines in RUNS.items()}
    )


@pytest.fixture
def runs(trained: Path, folder: Path, restored: None) -> Path:
    """The current folder, with copies of the runs."""
    shutil.copytree(trained, folder, dirs_exist_ok=True)
    return folder


def test_they_leave_their_own_pictures(trained: Path) -> None:
    def names(run: str) -> set[str]:
        return {path.name for path in (trained / run / "samples").iterdir()}

    assert any("classes" in name for name in names("vae"))
    assert any("classes" in name for name in names("dcgan"))
    assert any("level_8" in name for name in names("lapgan"))
    assert any("chains" in name for name in names("rbm"))


@pytest.mark.parametrize("run", RUNS)
def test_they_leave_a_grid_and_ways_between_latents_where_there_are_any(run: str, trained: Path) -> None:
    found = {path.name for path in (trained / run / "samples").iterdir()}
    assert "step_000002.png" in found
    assert ("interpolation_000002.png" in found) == (run not in JUMP)


SUMS = "what=arithmetic a=[0,1] b=[2,3] c=[4,5]"
DRAWN = {
    "vae": ["what=grid n=4", "what=interpolation rows=2", SUMS, "what=neighbours n=2", "truncation=0.5 n=4"],
    "made": ["what=grid n=4", "what=neighbours n=2", "what=examples n=4"],
    "nade": ["what=grid n=4", "what=neighbours n=2", "what=grid n=4 format=npz"],
    "rbm": ["what=grid n=4", "what=neighbours n=2", "what=grid n=4 format=npz"],
    "lapgan": ["what=grid n=4", "what=interpolation rows=2 path=circle", SUMS],
    "dcgan": ["what=grid n=4 truncation=0.5", "what=interpolation rows=2 path=circle", SUMS],
}


@pytest.mark.parametrize("run", RUNS)
def test_samples(run: str, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line in DRAWN[run]:
        done = called(sample.main, capsys)(f"run={run}", *line.split())
        assert done.code == 0, done.err
        assert Path(done.out.strip()).is_file()


MEASURED = {
    "vae": "nll inversion",
    "made": "nll",
    "nade": "nll kde",
    "rbm": "nll kde",
    "lapgan": "inversion",
    "dcgan": "inversion",
}
SMALL = {
    "nll": ["metric.nll.test=10", "metric.nll.samples=3"],
    "kde": ["metric.kde.samples=30"],
    "inversion": ["metric.inversion.images=3", "metric.inversion.evaluations=3"],
}


@pytest.mark.parametrize("run", RUNS)
def test_evaluations(run: str, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = MEASURED[run].split()
    small = [line for name in names for line in SMALL[name]]
    done = called(evaluate.main, capsys)(f"run={run}", f"metric=[{','.join(names)}]", *small)
    assert done.code == 0, done.err
    taken = json.loads((runs / run / "evaluation.json").read_text())["evaluations"]
    assert {entry["metric"] for entry in taken} == set(names)


@pytest.mark.parametrize(
    ("main", "line", "reason"),
    [
        *[("gan-sample", f"run={run} what=interpolation", "samples jump") for run in JUMP],
        *[("gan-sample", f"run={run} {SUMS}", "samples jump") for run in JUMP],
        *[("gan-sample", f"run={run} truncation=0.5", "draws by its latents") for run in JUMP],
        ("gan-sample", "run=rbm what=neighbours n=2 truncation=0.5", "draws by its latents"),
        ("gan-sample", "run=vae method=drs", "no critic"),
        ("gan-sample", "run=made method=drs refit=2", "no critic"),
        ("gan-sample", "run=lapgan method=drs", "no critic"),
        ("gan-sample", "run=dcgan method=drs", "judges an example with its class"),
        ("gan-sample", "run=dcgan method=drs refit=2", "judges an example with its class"),
        *[("gan-eval", f"run={run} metric=[inversion]", "smooth in the latent") for run in JUMP],
        ("gan-eval", "run=lapgan metric=[nll]", "no known density"),
        ("gan-eval", "run=dcgan metric=[nll]", "no known density"),
    ],
)
def test_refused_in_one_line(
    main: str, line: str, reason: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = called(MAINS[main], capsys)(*line.split())
    assert done.code == 2
    assert reason in done.err
    assert len([said for said in done.err.splitlines() if said.startswith(main)]) == 1
    assert "Traceback" not in done.err


def test_a_vae_is_a_law_to_estimate(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["p=fake", "p.size=16", "p.count=80", "p.pixel_range=[0,1]", "q=run", "q.folder=vae", "steps=2"]
    small = ["samples=100", "batch_size=8", "checks=1", "device=cpu", "hydra.run.dir=estimate"]
    done = called(estimate.main, capsys)(*line, *small)
    assert done.code == 0, done.err
    assert (runs / "estimate" / "results.json").is_file()


def test_they_are_compared(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = called(compare.main, capsys)(".")
    assert done.code == 0, done.err
    assert all(run in done.out for run in RUNS)


def test_a_sweep_over_models_takes_their_settings(gan_train: Command) -> None:
    words = [*BINARY, *QUICK, "steps=1", "sample_every=0", "hydra.sweep.dir=sweep"]
    ended = gan_train("-m", "model=nade,rbm", "model.density.hidden=3", *words)
    assert ended.code == 0, ended.err
    for number in ("0", "1"):
        config = (Path("sweep") / number / ".hydra" / "config.yaml").read_text()
        assert "hidden: 3" in config
    wrong = gan_train("-m", "model=nade,rbm", "model.density.hiden=3", *words)
    assert wrong.code == 2
    assert "no key model.density.hiden (did you mean 'hidden'?)" in wrong.line
