"""The command under torchrun: one folder, one voice, one end, whatever happens to whom."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from gan_cli import checkpoint
from gan_cli.checkpoint import Checkpoint
from gan_cli.observers.metrics_log import read
from gan_cli.run import run
from tests.parallel.launches import ROOT, own_lines, torchrun
from tests.parallel.test_equal import distance
from tests.test_combinations import built

RUN = [
    *["data=ring", "model=mlp", "model.width=8", "batch_size=12", "device=cpu", "runtime.precision=fp64"],
    *["sample_every=0", "evaluate_every=0"],
]
UNROLLED = [*RUN, "trick=[unrolled]", "trick.unrolled.steps=1"]
TRAP = '''
import os, signal
from dataclasses import dataclass, field

@dataclass
class Trap:
    """A view that changes nothing, and ends the second process in its fifth round."""

    kill: bool = False
    calls: int = field(default=0, init=False)

    def draw(self, generator, x, dtype):
        self.calls += x[0] > 1
        if self.calls == 20 and os.environ["RANK"] == "1":
            if self.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError("caught in the trap")
        return ()

    def apply(self, x, noise, step):
        return x
'''


def train(folder: Path, *words: str, processes: int = 2) -> subprocess.Popen[str]:
    script = Path(sys.executable).parent / "gan-train"
    command = [script] if script.is_file() else ["-m", "gan_cli"]
    return torchrun(folder, *command, *words, processes=processes)


def trapped(folder: Path, *words: str) -> tuple[list[str], str]:
    """What a launch said whose second process fails, and its log."""
    (folder / "trap.py").write_text(TRAP)
    (folder / "mine" / "trick").mkdir(parents=True)
    (folder / "mine" / "trick" / "trap.yaml").write_text(
        "# @package trick.trap\n_target_: trap.Trap\nkill: false\n"
    )
    line = [*RUN, "trick=[trap]", "steps=1000", "log_every=1", "checkpoint_every=2", "hydra.run.dir=run"]
    launch = torchrun(folder, "-m", "gan_cli", "--config-dir=mine", *line, *words)
    _, errors = launch.communicate(timeout=300)
    assert launch.returncode == 1, errors
    assert (folder / "run").is_dir(), errors
    assert [step for step, _ in checkpoint.listed(folder / "run")] == [2, 4]
    assert [line["step"] for line in read(folder / "run" / "metrics.jsonl")] == [1, 2, 3, 4]
    return own_lines(errors), (folder / "run" / "train.log").read_text()


def test_an_error_of_another_process_is_told_once_and_ends_all(tmp_path: Path) -> None:
    said, log = trapped(tmp_path)
    assert len(said) == 1
    assert "process 1: unexpected ValueError: caught in the trap" in said[0]
    assert 'raise ValueError("caught in the trap")' in log


def test_a_killed_process_ends_all(tmp_path: Path) -> None:
    said, _ = trapped(tmp_path, "trick.trap.kill=true")
    assert len(said) == 1
    assert "another process of this run is gone" in said[0]


@pytest.mark.parametrize("group", [True, False], ids=["terminal", "torchrun alone"])
def test_ctrl_c_ends_all_in_order_and_soon(group: bool, tmp_path: Path) -> None:
    """A terminal sends it to torchrun and to both processes, and torchrun hands it on once more."""
    worker = ROOT / "tests" / "parallel" / "told_end.py"
    words = [*RUN, "steps=1000000", "log_every=1", "checkpoint_every=0", "hydra.run.dir=run"]
    launch = torchrun(tmp_path, worker, *words, session=True)
    wait_for_lines(launch, tmp_path / "run", 2)
    began = time.monotonic()
    (os.killpg if group else os.kill)(launch.pid, signal.SIGINT)
    told, errors = launch.communicate(timeout=100)
    assert time.monotonic() - began < 15, errors  # torchrun waits for 30 seconds, and then kills
    assert [(tmp_path / f"code.{rank}").read_text() for rank in (0, 1)] == ["130", "130"], errors
    assert told.count("resume with: ") == 1
    assert not own_lines(errors)
    assert last(tmp_path / "run").step == read(tmp_path / "run" / "metrics.jsonl")[-1]["step"]


def wait_for_lines(launch: subprocess.Popen[str], folder: Path, count: int) -> None:
    """Until the run in the folder has logged that often."""
    until = time.monotonic() + 200
    while len(read(folder / "metrics.jsonl")) < count:
        assert launch.poll() is None, launch.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.2)


def last(folder: Path) -> Checkpoint:
    found, skipped = checkpoint.latest_good(folder)
    assert found is not None
    assert not skipped
    return found


def test_a_signal_stops_all_after_the_same_step_and_more_processes_go_on(tmp_path: Path) -> None:
    folder, copy = tmp_path / "run", tmp_path / "copy"
    launch = train(tmp_path, *UNROLLED, "steps=100000", "log_every=1", "hydra.run.dir=run")
    wait_for_lines(launch, folder, 5)
    launch.send_signal(signal.SIGTERM)
    told, errors = launch.communicate(timeout=200)
    assert "resume with: " in told
    assert not own_lines(errors)
    stopped = last(folder)
    assert stopped.step == read(folder / "metrics.jsonl")[-1]["step"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]

    shutil.copytree(folder, copy)
    steps = stopped.step + 4
    again = train(tmp_path, "resume=run", f"steps={steps}", processes=3)
    _, errors = again.communicate(timeout=300)
    assert again.returncode == 0, errors
    assert run(built(*UNROLLED, f"steps={steps}"), copy, resume=True) == (steps, "done")
    three, one = last(folder).tensors, last(copy).tensors
    assert three.keys() == one.keys()
    assert all(distance(one[name], three[name]) < 1e-12 for name in one)
    moved = [name for name in one if not torch.equal(one[name], stopped.tensors[name])]
    assert any("generator/params" in name for name in moved)


@pytest.mark.parametrize("words", [["data=rong"], ["--version"]])
def test_what_is_answered_without_training_is_answered_once(words: list[str], tmp_path: Path) -> None:
    launch = train(tmp_path, *words)
    told, errors = launch.communicate(timeout=300)
    if words == ["--version"]:
        assert launch.returncode == 0
        assert told.count("gan-train") == 1
    else:
        assert launch.returncode == 1
        assert own_lines(errors) == ["gan-train: there is no data=rong (did you mean 'ring'?)"]
    assert not list(tmp_path.iterdir())
