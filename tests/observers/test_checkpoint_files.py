from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from gan_cli import checkpoint
from gan_cli.errors import InputError, RunError
from gan_cli.types import GameState, Player
from tests.observers.toy import Toy


def some_state(step: int = 0) -> GameState:
    state = Toy().init(step)
    odd = {
        "t": torch.tensor(3),
        "half": torch.randn(3).bfloat16(),
        "mask": torch.tensor([True, False]),
        "view": torch.arange(12.0).reshape(3, 4)[:, 1],
    }
    critic = state.critic._replace(buffers={"running": torch.randn(2)}, terms=((odd, ()), ()))
    return GameState(state.generator, critic, torch.tensor(step))


def equal(a: GameState, b: GameState) -> bool:
    left, right = dict(checkpoint.named(a)), dict(checkpoint.named(b))
    return left.keys() == right.keys() and all(
        x.dtype == right[k].dtype and torch.equal(x, right[k]) for k, x in left.items()
    )


def test_a_state_survives_the_round_trip_bitwise(tmp_path: Path) -> None:
    state = some_state(12)
    path = checkpoint.save(tmp_path, 12, state, "steps: 12\n")
    found, skipped = checkpoint.latest_good(tmp_path)
    assert found is not None
    assert (found.step, found.config, found.path, skipped) == (12, "steps: 12\n", path, [])
    restored = checkpoint.restore(some_state(0), found.tensors)
    assert equal(restored, state)
    assert isinstance(restored.critic, Player)
    assert isinstance(restored.critic.terms, tuple)
    assert "critic/terms/0/0/view" in found.tensors
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_strides_and_values_are_kept_and_views_own_their_part_only() -> None:
    image = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    flat = checkpoint.flatten({"image": image, "part": torch.zeros(10_000)[:5]})
    assert flat["image"].stride() == image.stride()
    assert flat["part"].untyped_storage().nbytes() == 20


def test_a_tensor_changed_later_does_not_change_what_was_flattened() -> None:
    x = torch.zeros(2)
    flat = checkpoint.flatten({"x": x})
    x += 1
    assert flat["x"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("critic/params/w"), "critic/params/w is missing"),
        (lambda t: t.update(extra=torch.zeros(1)), "extra is not part of this run"),
        (
            lambda t: t.update({"critic/params/w": torch.zeros(3)}),
            r"critic/params/w is \[3\] float32, this run has \[2\] float32",
        ),
        (lambda t: t.update(step=torch.tensor(1.0)), r"step is \[\] float32, this run has \[\] int64"),
        (lambda t: t.clear(), r"is missing \(and \d+ more such\)"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(change: Any, message: str) -> None:
    tensors = checkpoint.flatten(some_state())
    change(tensors)
    with pytest.raises(InputError, match=message) as caught:
        checkpoint.restore(some_state(), tensors)
    assert "\n" not in str(caught.value)


def test_leaves_that_are_no_tensors_and_names_that_collide_are_refused() -> None:
    with pytest.raises(TypeError, match="a/0 must be a tensor, got float"):
        checkpoint.flatten({"a": (1.0,)})
    with pytest.raises(ValueError, match="both named a/b"):
        checkpoint.flatten({"a/b": torch.zeros(1), "a": {"b": torch.zeros(1)}})


def test_the_last_few_are_kept(tmp_path: Path) -> None:
    for step in (10, 20, 30, 40):
        checkpoint.save(tmp_path, step, some_state(step), "", keep=2)
    assert [step for step, _ in checkpoint.listed(tmp_path)] == [30, 40]
    checkpoint.save(tmp_path, 35, some_state(35), "", keep=2)  # gone back behind 40
    assert [step for step, _ in checkpoint.listed(tmp_path)] == [30, 35]
    checkpoint.save(tmp_path, 36, some_state(36), "", keep=1)
    assert [step for step, _ in checkpoint.listed(tmp_path)] == [36]


@pytest.mark.parametrize("harm", ["flip", "truncate", "empty", "remove"])
def test_a_harmed_checkpoint_falls_back_to_the_one_before_and_is_named(tmp_path: Path, harm: str) -> None:
    paths = [checkpoint.save(tmp_path, step, some_state(step), "") for step in (10, 20)]
    data = bytearray(paths[1].read_bytes())
    data[len(data) // 2] ^= 1
    new = {"flip": bytes(data), "truncate": bytes(data[:-100]), "empty": b""}
    paths[1].unlink() if harm == "remove" else paths[1].write_bytes(new[harm])
    found, skipped = checkpoint.latest_good(tmp_path)
    assert found is not None
    assert found.step == 10
    assert [paths[1].name in line for line in skipped] == ([] if harm == "remove" else [True])
    # A good one at the same step takes its place.
    checkpoint.save(tmp_path, 20, some_state(20), "")
    assert checkpoint.latest_good(tmp_path)[1] == []


def test_every_single_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, 1, some_state(1), "")
    data = path.read_bytes()
    for at in range(0, len(data), 97):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
        with pytest.raises(InputError, match="torn or altered"):
            checkpoint.load(path)


def test_where_there_is_none_none_is_found(tmp_path: Path) -> None:
    assert checkpoint.latest_good(tmp_path) == (None, [])
    path = tmp_path / "step_3.pt"
    path.write_bytes(b"hello")
    with pytest.raises(InputError, match="no checkpoint of gan-train"):
        checkpoint.load(path)
    with pytest.raises(InputError, match="cannot read checkpoint"):
        checkpoint.load(tmp_path / "none.pt")


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_kill_between_two_writes_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    checkpoint.save(tmp_path, 10, some_state(10), "")

    def killed(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(os, call, killed)
        patch.setattr(Path, "unlink", killed)  # a killed process cleans nothing up
        with pytest.raises(SystemExit):
            checkpoint.save(tmp_path, 20, some_state(20), "", keep=1)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2, "something is left under another name"
    found, skipped = checkpoint.latest_good(tmp_path)
    assert found is not None
    assert (found.step, skipped) == (10, [])
    checkpoint.save(tmp_path, 30, some_state(30), "", keep=1)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1, "what the killed one left is swept up"


def test_a_full_disk_is_one_line_and_harms_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save(tmp_path, 10, some_state(10), "")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"cannot write to .*checkpoints: the disk is full"):
        checkpoint.save(tmp_path, 20, some_state(20), "")
    assert [step for step, _ in checkpoint.listed(tmp_path)] == [10]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1


WRITER = """
import sys; from pathlib import Path
import torch
from gan_cli import checkpoint
from gan_cli.types import Player, GameState
for step in range(1, 100_000):
    p = Player({"w": torch.full((20_000,), float(step))}, {}, ())
    checkpoint.save(Path(sys.argv[1]), step, GameState(p, p, torch.tensor(step)), "", keep=2)
    print(step, flush=True)
"""


def test_sigkill_while_writing_loses_no_checkpoint_that_was_whole(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    written = [int(line) for line in process.stdout if line.endswith("\n")]
    process.wait()
    found, skipped = checkpoint.latest_good(tmp_path)
    assert found is not None
    assert skipped == []
    assert found.step >= max(written, default=1)
    assert found.tensors["critic/params/w"].unique().tolist() == [found.step]
