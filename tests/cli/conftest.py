"""Running `gan-train` inside the test process, in an empty folder, with or without the training itself."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from gan_cli.cli import evaluate, train
from tests.cli.evaluated import PLANTED


@dataclass(frozen=True)
class Outcome:
    """How a command ended: exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line on stderr."""
        lines = self.err.splitlines()
        assert len(lines) == 1, f"more or less than one line on stderr:\n{self.err}"
        return lines[0]


Command = Callable[..., Outcome]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a command changes in its process is put back."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", ["gan-train"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    signals = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}
    yield
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    for number, handler in signals.items():
        signal.signal(number, handler)


def called(main: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> Command:
    """A console command as a function of its words."""

    def run(*argv: str) -> Outcome:
        capsys.readouterr()
        sys.argv[1:] = argv
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Outcome(end.value.code, out, err)

    return run


def trained_runs(folder: Path, runs: Mapping[str, Sequence[str]]) -> Path:
    """The folder, with a run of `gan-train` of each name in it, by these words."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HYDRA_FULL_ERROR", "0")
        for name, words in runs.items():
            patch.setattr(sys, "argv", ["gan-train", *words, f"hydra.run.dir={name}"])
            with pytest.raises(SystemExit) as end:
                train.main()
            assert end.value.code == 0
    return folder


@pytest.fixture
def gan_train(folder: Path, restored: None, capsys: pytest.CaptureFixture[str]) -> Command:
    """`gan_train("loss=wgan", …)`: the command's outcome."""
    return called(train.main, capsys)


@pytest.fixture
def gan_eval(gan_train: Command, capsys: pytest.CaptureFixture[str]) -> Command:
    return called(evaluate.main, capsys)


@pytest.fixture
def mine(folder: Path) -> Iterator[list[str]]:
    """The flag that adds the metric `planted` to those there are."""
    (folder / "mine/configs/metric").mkdir(parents=True)
    (folder / "mine/planted.py").write_text(PLANTED)
    yaml = (
        "# @package metric.planted\n# A user's own.\n_target_: planted.Planted\nfactor: 1.0\nbreaks: false\n"
    )
    (folder / "mine/configs/metric/planted.yaml").write_text(yaml)
    yield ["--config-dir", "mine/configs"]
    sys.modules.pop("planted", None)


@pytest.fixture
def subprocess_environment() -> dict[str, str]:
    """The environment of a command in a process of its own, which can import the tree."""
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
