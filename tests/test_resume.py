"""A run that was interrupted ends bitwise where an uninterrupted one does."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_cli import checkpoint
from gan_cli.observers.metrics_log import WALL_CLOCK, read
from gan_cli.run import run
from tests.kinds import GAME_LOSSES, GAME_OPTIMIZERS, options
from tests.test_combinations import built

SMALL = ["data=ring", "model=mlp", "model.width=8", "batch_size=6", "device=cpu", "sample_every=0"]
ALL_HOOKS = [
    "trick=[unrolled,instance_noise,r1,gradient_clipping]",
    "trick.unrolled.steps=2",
    "critic_steps=2",
]
IMAGES = [
    *["data=fake", "data.size=16", "data.count=40", "model=dcgan", "model.width=4", "batch_size=6"],
    *["device=cpu", "sample_every=0"],
]
CONVOLUTIONAL = [*IMAGES, "trick=[unrolled,instance_noise]", "trick.unrolled.steps=1"]


def last(folder: Path) -> dict[str, torch.Tensor]:
    found, skipped = checkpoint.latest_good(folder)
    assert found is not None
    assert not skipped
    return found.tensors


def lines(folder: Path) -> list[dict[str, Any]]:
    """The run's metrics.jsonl without the clock."""
    return [{k: v for k, v in line.items() if k not in WALL_CLOCK} for line in read(folder / "metrics.jsonl")]


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


class After:
    """Asks the loop to stop once it has been asked `count` times."""

    def __init__(self, count: int):
        self.left = count

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


def assert_resumes(tmp_path: Path, overrides: list[str]) -> None:
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    for folder in (straight, broken):
        folder.mkdir()
    made = built(*overrides, "steps=7", "log_every=1", "checkpoint_every=2")
    assert run(made, straight) == (7, "done")
    assert run(made, broken, stop=After(3)) == (3, "stopped")
    assert run(made, broken, resume=True) == (7, "done")
    assert_same(last(straight), last(broken))
    assert lines(straight) == lines(broken)
    assert [line["step"] for line in lines(straight)] == list(range(1, 8))


@pytest.mark.parametrize("loss", GAME_LOSSES)
def test_every_loss_with_every_hook(loss: str, tmp_path: Path) -> None:
    assert_resumes(tmp_path, [*SMALL, *ALL_HOOKS, f"loss={loss}"])


@pytest.mark.parametrize("optimizer", GAME_OPTIMIZERS)
def test_every_optimizer(optimizer: str, tmp_path: Path) -> None:
    assert_resumes(tmp_path, [*SMALL, f"optimizer={optimizer}"])


@pytest.mark.parametrize("trick", options("trick"))
def test_every_trick_alone(trick: str, tmp_path: Path) -> None:
    images = trick in ("diffaugment", "virtual_batch_norm")
    assert_resumes(tmp_path, [*(IMAGES if images else SMALL), f"trick=[{trick}]"])


MIXED = {
    "extragradient": ["trick=[extragradient,ema,lecam,packing]", "critic_steps=2"],
    "simultaneous": ["trick=[simultaneous,unrolled,historical_averaging]", "trick.unrolled.steps=2"],
    "lazy": ["trick=[r1,ema,lecam]", "trick.r1.every=3", "trick.ema.every=2", "trick.lecam.every=2"],
    "recomputed": ["trick=[unrolled,r1]", "trick.unrolled.steps=4", "trick.unrolled.recompute=true"],
}


@pytest.mark.parametrize("mix", MIXED)
def test_memories_intervals_and_orders(mix: str, tmp_path: Path) -> None:
    assert_resumes(tmp_path, [*SMALL, *MIXED[mix]])


def test_batch_norm_and_convolutions(tmp_path: Path) -> None:
    assert_resumes(tmp_path, CONVOLUTIONAL)


def gan_train(folder: Path, *overrides: str) -> subprocess.Popen[bytes]:
    """A real process that trains in `folder`/run, or goes on there."""
    folder.mkdir(exist_ok=True)
    made = (folder / "run" / ".hydra" / "config.yaml").is_file()
    command = [
        sys.executable,
        "-m",
        "gan_cli",
        *(["resume=run"] if made else [*overrides, "hydra.run.dir=run"]),
    ]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def logged(folder: Path) -> int:
    """The last step in the run's metrics.jsonl, whose last line may be torn."""
    path = folder / "run" / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    return max((int(json.loads(line)["step"]) for line in lines if line.endswith("}")), default=0)


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}, purge_orphaned_data=False)
    events.Reload()
    tags = [tag for tag in events.Tags()["scalars"] if not tag.startswith("speed/")]
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in tags}


@pytest.mark.slow
def test_ten_kills_at_random_moments_leave_no_trace(tmp_path: Path) -> None:
    rng = random.Random(0)
    overrides = [*SMALL, *ALL_HOOKS, "steps=1500", "log_every=10", "checkpoint_every=50", "sample_every=500"]
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    assert gan_train(straight, *overrides).wait() == 0
    for moment in sorted(rng.sample(range(1300), 10)):
        process = gan_train(killed, *overrides)
        while logged(killed) < moment:
            assert process.poll() is None, process.communicate()[1].decode()
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert gan_train(killed, *overrides).wait() == 0
    assert_same(last(straight / "run"), last(killed / "run"))
    assert lines(straight / "run") == lines(killed / "run")
    assert scalars(straight / "run") == scalars(killed / "run")
