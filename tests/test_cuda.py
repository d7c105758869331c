"""What must hold on a GPU: on a machine without one the same laws are held on the CPU, where they can be.

On the CPU a stand-in takes the place of CUDA's graphs: it reads and writes the memory that it was made with.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from gan_cli import captured, checkpoint
from gan_cli.build import Experiment
from gan_cli.captured import WARM_UP, Body, Captured, Leaves
from gan_cli.data.base import Table
from gan_cli.data.feed import Feed
from gan_cli.learner import Learner
from gan_cli.observers.background import STATES, Writer
from gan_cli.run import run
from gan_cli.runtime import prepare
from gan_cli.streams import Streams
from gan_cli.types import Play
from tests.test_combinations import built
from tests.test_compiled_learners import LEARNERS

GPU = torch.cuda.is_available()
DEVICES = ["cpu", "cuda"] if GPU else ["cpu"]
GAMES = {
    "ring_mlp": ["data=ring", "model=mlp", "model.width=16", "batch_size=16", "trick=[instance_noise,ema]"],
    "image_dcgan": [
        *["data=fake", "data.size=28", "data.channels=1", "data.count=64", "model=dcgan", "model.width=8"],
        *["model.latent=16", "batch_size=16", "critic_steps=2"],
    ],
    "unrolled": [
        *["data=ring", "model=mlp", "model.width=16", "batch_size=16"],
        *["trick=[unrolled,r1]", "trick.unrolled.steps=3"],
    ],
}
"""`image_dcgan` has the shapes of MNIST, which a machine need not have."""
ROUNDS = WARM_UP + 11
"""The first ones are played as usual, ten at least by the graph."""


class Again:
    """A recording for the CPU."""

    def __init__(self, body: Body, at: Leaves):
        self._body, self._at = body, at
        self.result = [x.clone() for x in body(at)]

    def replay(self) -> None:
        for mine, fresh in zip(self.result, self._body(self._at), strict=True):
            mine.copy_(fresh)


def recorder(device: str) -> Callable[[Body, Leaves], Any]:
    return captured.Recording if device == "cuda" else Again


def recorded(device: str) -> Callable[[Learner], Play]:
    """What drives a learner, and each game of a pyramid by itself, by graphs."""
    return lambda learner: Captured(learner.round, recorder(device))


def experiment(case: str, device: str, *more: str) -> Experiment:
    # Convolutions must choose the same kernels in both ways.
    return built(*(GAMES | LEARNERS)[case], f"device={device}", "runtime.deterministic=true", *more)


def played(made: Experiment, play: Any, rounds: int, keep: Callable[[Any], None] | None = None) -> list[Any]:
    """The state and the traces after each round, or `keep` is given each state."""
    prepare(made.runtime, made.device)
    streams, found = Streams(made.seed, made.device), []
    state = made.plain.init(made.seed, made.device)
    with Feed(made.dataset, made.plain.batch_size, streams, made.device, made.resident_mb) as feed:
        for step in range(rounds):
            state, traces = play(state, made.plain.draw(step, feed, streams))
            if keep is None:
                found.append((state, traces))
            else:
                keep(state)
    return found


def own(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the product itself has said."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("gan_cli")]


def assert_close(one: Any, other: Any, rtol: float, atol: float) -> None:
    for x, y in zip(tree_leaves(one), tree_leaves(other), strict=True):
        torch.testing.assert_close(x, y, rtol=rtol, atol=atol)


@pytest.fixture(autouse=True)
def torch_as_it_was() -> Any:
    yield
    prepare(built(*GAMES["ring_mlp"], "device=cpu").runtime, torch.device("cpu"))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("case", GAMES | LEARNERS)
def test_recorded_rounds_are_the_usual_ones(case: str, device: str, caplog: pytest.LogCaptureFixture) -> None:
    made = experiment(case, device, "runtime.precision=fp64")
    driven: Any = made.plain.driven(recorded(device))
    with caplog.at_level(logging.WARNING):
        usual, found = (played(made, learner.play, ROUNDS) for learner in (made.plain, driven))
    assert not own(caplog)  # nothing fell back
    assert all(one._played._graphs for one in getattr(driven, "levels", [driven]))
    exact = device == "cpu"
    assert_close(usual, found, rtol=0 if exact else 1e-9, atol=0 if exact else 1e-9)


@pytest.mark.parametrize("device", DEVICES)
def test_a_state_handed_to_the_writer_is_not_what_the_next_round_writes(device: str) -> None:
    """The writer copies while the training goes on: nothing that was handed over may change meanwhile."""
    made, writer = experiment("unrolled", device, "runtime.precision=fp64"), Writer()
    written: list[list[Tensor]] = []
    expected: list[list[Tensor]] = []

    def write(state: Any) -> None:
        time.sleep(0.05)  # a round or more
        if device == "cuda":
            torch.cuda._sleep(2_000_000)  # the copy is late, on the stream that the training uses
        written.append([x.to("cpu", copy=True) for x in tree_leaves(state)])

    def keep(state: Any) -> None:
        expected.append(tree_leaves(tree_map(torch.clone, state)))
        writer.do(write, state, holds_state=True)

    played(made, Captured(made.game.play, recorder(device)), WARM_UP + STATES + 6, keep)
    writer.settle()
    assert len(written) == len(expected) == WARM_UP + STATES + 6
    for found, wanted in zip(written, expected, strict=True):
        assert all(torch.equal(x, y.cpu()) for x, y in zip(found, wanted, strict=True))


@pytest.mark.parametrize("device", DEVICES)
def test_checkpoints_are_the_same_with_and_without_graphs(device: str, tmp_path: Path) -> None:
    """To the last bit on the CPU, on a GPU to rounding."""
    line = ["log_every=0", "sample_every=0", "evaluate_every=0", "checkpoint_every=4", f"steps={ROUNDS}"]
    kept = {}
    for choice in ("auto", "off"):
        made = experiment("ring_mlp", device, *line, "runtime.precision=fp64", f"runtime.cuda_graph={choice}")
        if device == "cpu" and choice == "auto":
            made = replace(made, learner=made.game.driven(recorded(device)))
        folder = tmp_path / choice
        folder.mkdir()
        assert run(made, folder) == (ROUNDS, "done")
        found, skipped = checkpoint.latest_good(folder)
        assert found is not None
        assert not skipped
        kept[choice] = found
    assert kept["auto"].step == kept["off"].step == ROUNDS
    assert kept["auto"].tensors.keys() == kept["off"].tensors.keys()
    exact = device == "cpu"
    for name, tensor in kept["auto"].tensors.items():
        other = kept["off"].tensors[name]
        assert (tensor.dtype, tensor.shape, tensor.stride()) == (other.dtype, other.shape, other.stride())
        torch.testing.assert_close(tensor, other, rtol=0 if exact else 1e-9, atol=0 if exact else 1e-9)


@pytest.mark.parametrize("device", DEVICES)
def test_a_capture_that_fails_is_told_in_a_line_and_changes_nothing(
    device: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What reads a number on the host cannot be captured."""
    made = experiment("ring_mlp", device, "runtime.precision=fp64")

    def looking(state: Any, batches: Any) -> Any:
        after, traces = made.game.play(state, batches)
        assert not float(traces["critic"].loss) > 1e9
        return after, traces

    def failing(body: Body, at: Leaves) -> Again:
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    record = captured.Recording if device == "cuda" else failing
    with caplog.at_level(logging.WARNING):
        found = played(made, Captured(looking, record), ROUNDS)
    (told,) = own(caplog)
    assert told.startswith("runtime.cuda_graph: rounds are not captured: ")
    assert "\n" not in told
    usual = played(made, made.game.play, ROUNDS)
    for x, y in zip(tree_leaves(usual), tree_leaves(found), strict=True):
        assert torch.equal(x, y)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("more", [[], ["runtime.channels_last=true"]], ids=["", "channels_last"])
def test_reduced_precision_stays_finite_and_keeps_whole_masters(device: str, more: list[str]) -> None:
    made = experiment("image_dcgan", device, "runtime.precision=bf16", "runtime.deterministic=false", *more)
    (*_, (state, traces)) = played(made, made.learner.play, ROUNDS)
    for tensor in tree_leaves((state, traces)):
        assert tensor.isfinite().all()
        assert tensor.dtype != torch.bfloat16
        assert tensor.device.type == device


@pytest.mark.parametrize("device", DEVICES)
def test_images_lie_on_the_device_as_bytes(device: str) -> None:
    made = experiment("image_dcgan", device)
    streams = Streams(made.seed, made.device)
    before = torch.cuda.memory_allocated()
    with Feed(made.dataset, 16, streams, made.device, made.resident_mb) as feed:
        assert isinstance(feed.data, Table)
        assert (feed.batch(0).dtype, feed.batch(0).device.type) == (torch.uint8, device)
        if device == "cuda":  # as floats they would take four times as much
            assert torch.cuda.memory_allocated() - before < 2 * feed.data.nbytes


if GPU:  # what means nothing elsewhere is not there elsewhere

    @pytest.mark.parametrize("case", GAMES)
    def test_compiled_rounds_are_the_usual_ones_on_a_gpu(case: str) -> None:
        usual = experiment(case, "cuda", "runtime.precision=fp64", "runtime.cuda_graph=off")
        made = experiment(case, "cuda", "runtime.precision=fp64", "runtime.compile=on")
        one, other = (played(m, m.learner.play, ROUNDS)[-1] for m in (usual, made))
        assert_close(one, other, rtol=1e-8, atol=1e-8)

    def test_the_host_never_waits_between_logs() -> None:
        """Rounds are played without a number that the host reads."""
        made = experiment("image_dcgan", "cuda", "runtime.deterministic=false")
        played(made, made.learner.play, ROUNDS)
        streams = Streams(made.seed, made.device)
        with Feed(made.dataset, made.game.batch_size, streams, made.device, made.resident_mb) as feed:
            state = made.game.init(made.seed, made.device)
            for step in range(ROUNDS):
                batches = made.game.draw(step, feed, streams)
                torch.cuda.set_sync_debug_mode("error" if step > WARM_UP + 1 else "default")
                try:
                    state, _ = made.learner.play(state, batches)
                finally:
                    torch.cuda.set_sync_debug_mode("default")

    def test_memory_does_not_grow_with_replays() -> None:
        made = experiment("image_dcgan", "cuda")
        sizes: list[int] = []
        played(made, made.learner.play, ROUNDS + 40, lambda _: sizes.append(torch.cuda.memory_reserved()))
        assert sizes[-1] == sizes[ROUNDS + 4]
