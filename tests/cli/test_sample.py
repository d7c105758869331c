"""`gan-sample`: what it refuses, what it draws and where, and that a seed means the same samples."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gan_cli.cli import drawing, finished, ratio, sample
from gan_cli.data.base import Distribution
from gan_cli.sampling.draws import Maker
from gan_cli.sampling.options import SAMPLE
from tests.cli.conftest import Command, called, trained_runs
from tests.cli.sample_refusals import AT_ONCE, WITH_CLASSES

QUICK = ["batch_size=8", "steps=4", "sample_every=2", "checkpoint_every=2", "evaluate_every=0"]
RUNS = {
    "images": ["data=digits", "data.size=8", "model=dcgan_small", "model.prior=uniform", "loss=gan"],
    "points": ["data=ring", "model=mlp", "loss=gan"],
    "line": ["data=mixture1d", "model=univariate", "loss=wgan"],
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds a short run of each kind."""
    return trained_runs(
        tmp_path_factory.mktemp("runs"), {name: [*lines, *QUICK] for name, lines in RUNS.items()}
    )


@pytest.fixture
def runs(trained: Path, folder: Path) -> Path:
    """The current folder, with copies of the runs."""
    shutil.copytree(trained, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture
def gan_sample(runs: Path, restored: None, capsys: pytest.CaptureFixture[str]) -> Command:
    return called(sample.main, capsys)


@pytest.fixture
def drawn(gan_sample: Command) -> Iterator[object]:
    """`drawn("run=…")`: the path of what was drawn."""

    def run(*argv: str) -> Path:
        done = gan_sample(*argv)
        assert done.code == 0, done.err
        (line,) = done.out.splitlines()
        return Path(line)

    return run  # type: ignore[return-value]


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("line", AT_ONCE)
def test_refused_at_once(line: str, gan_sample: Command, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*given: object) -> None:
        raise AssertionError("only the checks that import torch saw it")

    monkeypatch.setattr(drawing, "draw", late)
    before = files(runs)
    answer = gan_sample(*line.split())
    assert (answer.code, files(runs)) == (2, before), answer.err
    assert answer.line.startswith("gan-sample: ")
    assert not [word for word in AT_ONCE[line] if word not in answer.line], answer.line


@pytest.mark.parametrize("line", WITH_CLASSES)
def test_refused_before_a_file_is_made(line: str, gan_sample: Command, runs: Path) -> None:
    before = files(runs)
    answer = gan_sample(*line.split())
    assert (answer.code, files(runs)) == (2, before), answer.err
    assert not [word for word in WITH_CLASSES[line] if word not in answer.line], answer.line


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["--cfg", "job"], ["run=nowhere"]])
def test_it_answers_within_a_second(
    argv: list[str], tmp_path: Path, subprocess_environment: dict[str, str]
) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "gan_cli.cli.sample", *argv]
    done = subprocess.run(
        command, cwd=tmp_path, env=subprocess_environment, capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == (2 if "=" in argv[0] else 0), done.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


def test_help_names_every_key(gan_sample: Command) -> None:
    shown = gan_sample("--help").out
    assert set(SAMPLE.keys) <= set(shown.replace(",", " ").split())
    assert "groups (" not in shown
    assert gan_sample("--version").out.startswith("gan-sample ")


def test_the_first_of_many_are_the_few_whatever_they_are_written_as(drawn: Command) -> None:
    few = np.load(drawn("run=images", "n=5", "format=npz"))["arr_0"]  # type: ignore[arg-type]
    many = np.load(drawn("run=images", "n=150", "format=npz"))["arr_0"]  # type: ignore[arg-type]
    assert (few.shape, many.shape, many.dtype) == ((5, 8, 8, 1), (150, 8, 8, 1), np.uint8)
    np.testing.assert_array_equal(few, many[:5])
    folder = Path(str(drawn("run=images", "n=5", "format=files")))
    single = np.stack([np.asarray(Image.open(path))[..., None] for path in sorted(folder.iterdir())])
    np.testing.assert_array_equal(single, few)
    page = np.asarray(Image.open(str(drawn("run=images", "n=5", "columns=5"))))
    np.testing.assert_array_equal(page[2:66:8, 2:66:8, 0], few[0, ..., 0])
    other = np.load(drawn("run=images", "n=5", "format=npz", "seed=1"))["arr_0"]  # type: ignore[arg-type]
    assert not np.array_equal(other, few)
    earlier = np.load(drawn("run=images", "n=5", "format=npz", "checkpoint=2"))["arr_0"]  # type: ignore[arg-type]
    assert not np.array_equal(earlier, few)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("", "grid-000004-seed0.png"),
        ("n=6 numbers=true", "grid-000004-seed0-n6-numbers.png"),
        ("truncation=0.5", "grid-000004-seed0-truncation0.5.png"),
        ("method=drs burn_in=100", "grid-000004-seed0-drs-burn_in100.png"),
        ("what=interpolation rows=2", "interpolation-000004-seed0-rows2.png"),
        ("what=interpolation path=circle", "interpolation-000004-seed0-pathcircle.png"),
        ("what=arithmetic a=[0,2] b=[1] c=3", "arithmetic-000004-seed0-a0_2-b1-c3.png"),
        ("what=neighbours n=2 k=3", "neighbours-000004-seed0-n2-k3.png"),
        ("what=animation", "animation-000004.gif"),
        (
            "what=animation format=webp n=1 frames=interpolation",
            "animation-000004-n1-framesinterpolation.webp",
        ),
        ("what=examples n=4", "examples-seed0-n4.png"),
        ("what=examples n=70 format=npz", "examples-seed0-n70.npz"),
    ],
)
def test_what_is_drawn_of_images(line: str, name: str, drawn: Command) -> None:
    path = Path(str(drawn("run=images", *line.split())))
    assert path == Path("images/generated") / name
    first = path.read_bytes()
    if path.suffix != ".npz":
        assert min(Image.open(path).size) > 60
    assert Path(str(drawn("run=images", *line.split()))).read_bytes() == first
    assert [other.name for other in path.parent.iterdir()] == [name]


def test_points(drawn: Command, gan_sample: Command) -> None:
    points = np.load(str(drawn("run=points", "n=100", "format=npz")))["arr_0"]
    assert (points.shape, points.dtype) == ((100, 2), np.float32)
    kept = np.load(str(drawn("run=points", "n=50", "format=npz", "method=drs", "burn_in=200")))["arr_0"]
    told = gan_sample("run=points", "n=50", "format=npz", "method=drs", "burn_in=200").err
    assert "the critic's density ratio kept" in told
    everything = np.load(str(drawn("run=points", "n=2000", "format=npz")))["arr_0"]
    assert {tuple(row) for row in kept.tolist()} < {tuple(row) for row in everything.tolist()}
    assert np.load(str(drawn("run=points", "what=examples", "n=9", "format=npz")))["arr_0"].shape == (9, 2)
    for run in ("points", "line"):
        assert Image.open(str(drawn(f"run={run}"))).size[0] > 600


def test_a_fresh_critic_knows_the_ratio(runs: Path, drawn: Command) -> None:
    opened = finished.opened("line")
    maker = Maker(opened.experiment.game, opened.state)
    zero, one = maker(torch.tensor([[0.0], [1.0]]))[:, 0].double()
    q = torch.distributions.Normal(zero, (one - zero).abs())  # this generator is affine
    x = torch.linspace(-2, 2, 41)[:, None]
    law = opened.run.data
    assert isinstance(law, Distribution)
    truth = law.log_density(x.double()) - q.log_prob(x[:, 0].double())
    found = ratio.fresh(opened, maker, 1500, 0, None)(x)
    assert float((found - truth).abs().mean()) < 0.3 < float(truth.std()) / 2
    points = np.load(str(drawn("run=line", "method=drs", "refit=20", "burn_in=100", "n=9", "format=npz")))
    assert points["arr_0"].shape == (9, 1)


def test_samples_of_a_label(drawn: Command, gan_sample: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    class Halves:
        """Class 1 for what is brighter at the top than at the bottom."""

        def preflight(self) -> None: ...

        def logits(self, x: torch.Tensor) -> torch.Tensor:
            margin = 1000 * (x[:, 0, :4].mean((1, 2)) - x[:, 0, 4:].mean((1, 2)))
            return torch.stack([-margin, margin], 1)

    from gan_cli.cli import pages

    monkeypatch.setattr(pages, "Scores", Halves)
    monkeypatch.setattr(pages, "extractor", lambda name, dataset: Halves())
    labels = [f"{name}=label:{one}" for name, one in zip("abc", "010", strict=True)]
    path = Path(str(drawn("run=images", "what=arithmetic", *labels, "n=512", "members=2", "confidence=0.5")))
    assert path.name.startswith("arithmetic-000004-seed0-n512-alabel_0")
    refused = gan_sample("run=images", "what=arithmetic", "expression=a", "a=label:two")
    assert (refused.code, "a=label:two: the data has the classes 0 to 1" in refused.line) == (2, True)


def test_any_folder_and_no_data(gan_sample: Command, drawn: Command, runs: Path) -> None:
    moved = runs / "far away (copy), é" / "my run"
    moved.parent.mkdir()
    (runs / "images").rename(moved)
    config = moved / ".hydra/config.yaml"
    text = config.read_text().replace("gan_cli.data.digits.Digits", "gan_cli.data.mnist.MNIST")
    config.write_text(text.replace("data:\n", "data:\n  root: gone\n  download: false\n", 1))
    path = Path(str(drawn(f"run={moved}", "n=3", "out=here, there")))
    mark = next(moved.glob("checkpoints/step_00000004-*")).stem[-16:-8]
    assert path == Path("here, there") / f"grid-000004-{mark}-seed0-n3.png"
    assert Path(str(drawn(f"run={moved}", "what=interpolation"))).is_file()
    needed = gan_sample(f"run={moved}", "what=neighbours")
    assert (needed.code, "gone" in needed.line) == (2, True)


def test_animations_of_two_runs_share_a_folder(drawn: Command, runs: Path) -> None:
    shutil.copytree(runs / "images", runs / "twin")
    paths = [str(drawn(f"run={name}", "what=animation", "out=all")) for name in ("images", "twin")]
    assert paths[0] != paths[1]


def test_a_sweep_and_a_damaged_checkpoint(gan_sample: Command, runs: Path) -> None:
    done = gan_sample("-m", "run=points", "seed=0,1", "checkpoint=2,last", "format=npz", "n=4")
    assert (done.code, len(done.out.splitlines())) == (0, 4)
    assert len({np.load(path)["arr_0"].tobytes() for path in done.out.splitlines()}) == 4
    assert gan_sample("-m", "run=points", "n=4,0").code == 2
    for file in (runs / "points/checkpoints").iterdir():
        file.write_bytes(file.read_bytes()[:-10])
    assert "no whole checkpoint" in gan_sample("run=points").line
