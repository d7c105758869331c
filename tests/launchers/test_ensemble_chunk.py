"""Runs side by side without the command line: who may share an ensemble, and what becomes of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils._pytree import tree_leaves

from gan_cli import checkpoint
from gan_cli.build import Experiment
from gan_cli.captured import WARM_UP, Captured
from gan_cli.cli.pruning import Pruning
from gan_cli.data.base import Dataset
from gan_cli.data.digits import Digits
from gan_cli.data.feed import Feed
from gan_cli.data.gaussian import Gaussian
from gan_cli.data.synthetic import Ring
from gan_cli.ensemble import Graphs
from gan_cli.errors import InputError, RunError
from gan_cli.launchers.ensemble_chunk import Chunk, Member
from gan_cli.launchers.ensemble_feeds import Feeds
from gan_cli.launchers.ensemble_groups import alone, key
from gan_cli.launchers.ensemble_training import Training
from gan_cli.observers.metrics_log import WALL_CLOCK, read
from gan_cli.run import run
from gan_cli.streams import Streams
from gan_cli.types import State
from tests.dynamics.test_captured import Again
from tests.test_combinations import built

CPU = torch.device("cpu")
TINY = [
    *["data=ring", "model=mlp", "model.width=8", "model.latent=4", "batch_size=6", "device=cpu"],
    *["log_every=3", "sample_every=0", "evaluate_every=0", "checkpoint_every=5", "runtime.precision=fp64"],
]
LAZY = ["trick=[r1,ema,label_smoothing]", "trick.r1.every=2", "critic_steps=2"]


def together(
    experiments: list[Experiment], folder: Path, width: int, graphs: Graphs | None = None
) -> list[Member]:
    """The runs trained in one ensemble, each in the folder of its number."""
    members = [Member(job, one, folder / str(job)) for job, one in enumerate(experiments)]
    for member in members:
        member.folder.mkdir(parents=True)
    chunk = Chunk(members, width, graphs)
    chunk.rehearse()
    ended: list[int] = []
    Training(chunk, lambda member: ended.append(member.job)).run(lambda: False)
    assert sorted(ended) == list(range(len(members)))
    return members


def logged(folder: Path) -> list[dict[str, float]]:
    return [{k: v for k, v in line.items() if k not in WALL_CLOCK} for line in read(folder / "metrics.jsonl")]


def last(folder: Path) -> dict[str, torch.Tensor]:
    found, _ = checkpoint.latest_good(folder)
    assert found is not None
    return found.tensors


def assert_close(one: Path, other: Path) -> None:
    for here, there in zip(logged(one), logged(other), strict=True):
        assert here == pytest.approx(there, rel=1e-7, abs=1e-9)
    tensors = last(other)
    for name, tensor in last(one).items():
        torch.testing.assert_close(tensor, tensors[name], rtol=1e-7, atol=1e-9)


def assert_equal(one: Path, other: Path) -> None:
    assert logged(one) == logged(other)
    tensors = last(other)
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in last(one).items())


@pytest.mark.parametrize("dataset", [Ring(), Gaussian(), Digits()], ids=lambda d: type(d).__name__)
def test_each_run_is_fed_what_it_is_fed_alone(dataset: Dataset) -> None:
    streams = [Streams(seed, CPU) for seed in range(3)]
    feeds = Feeds(dataset, 50, streams, CPU, 100, moves=2)
    sources, own = feeds.each(), [Feed(dataset, 50, s, CPU) for s in streams]
    for numbers in ((0, 1), (2, 3), (40, 41)):
        for source, feed in zip(sources, own, strict=True):
            assert all(torch.equal(source.batch(n), feed.batch(n)) for n in numbers)


def test_data_that_are_read_as_it_goes_are_refused() -> None:
    with pytest.raises(InputError, match="runtime.resident_mb=0"):
        Feeds(Digits(), 8, [Streams(0, CPU)], CPU, 0)


def shares(*more: str, base: tuple[str, ...] = ()) -> bool:
    """Whether a run may stand in an ensemble with one of the settings without these."""
    one, other = built(*TINY, *base), built(*TINY, *base, *more)
    return bool(key(dict(one.config), one, None) == key(dict(other.config), other, None))


def test_runs_that_differ_in_what_a_tensor_carries_share_an_ensemble() -> None:
    base = ("trick=[r1,instance_noise,label_smoothing,lecam]",)
    for more in (
        ["seed=3", "steps=7", "log_every=1", "watchdog=warn"],
        ["optimizer.generator.lr=0.5", "optimizer.critic.betas=[0.0,0.3]"],
        ["trick.r1.gamma=0.0", "trick.instance_noise.start=2.0", "trick.label_smoothing.real=0.8"],
        ["trick.lecam.decay=0.5", "optimizer.generator.weight_decay=0.1"],
    ):
        assert shares(*more, base=base), more


def test_other_rounds_do_not() -> None:
    for more in (
        ["model.width=9"],
        ["batch_size=7"],
        ["loss=wgan"],
        ["optimizer=sgd"],
        ["critic_steps=2"],
        ["optimizer.critic.amsgrad=true"],
        ["trick=[r1]"],
        ["data.std=0.5"],
        ["runtime.precision=fp32"],
    ):
        assert not shares(*more), more
    assert not shares("trick.r1.every=2", base=("trick=[r1]",))
    assert not shares("trick.spectral_norm.eps=1e-3", base=("trick=[spectral_norm]",))


def test_why_a_run_stands_alone() -> None:
    one = built(*TINY, "trick=[unrolled]", "trick.unrolled.recompute=true")
    reason = alone(dict(one.config), one)
    assert reason is not None
    assert "recompute" in reason


def test_fifty_rounds_are_those_of_the_runs_alone(tmp_path: Path) -> None:
    varied = [
        ["seed=0"],
        ["seed=1", "trick.r1.gamma=0.0"],
        ["seed=1", "optimizer.critic.lr=1e-3", "steps=31"],
    ]
    experiments = [built(*TINY, *LAZY, "steps=50", *more) for more in varied]
    together(experiments, tmp_path / "all", 4)
    for job, one in enumerate(experiments):
        place = tmp_path / f"alone{job}"
        place.mkdir()
        run(one, place)
        assert_close(place, tmp_path / "all" / str(job))


def test_neighbours_change_no_bit_even_if_they_diverge(tmp_path: Path) -> None:
    own = built(*TINY, *LAZY, "steps=20", "seed=1")
    wild = built(*TINY, *LAZY, "steps=20", "seed=2", "optimizer.critic.lr=1e300")
    members = together([own], tmp_path / "lone", 32)
    members += together([wild, wild, own], tmp_path / "beside", 32)
    assert [member.outcome for member in members] == ["done", "failed", "failed", "done"]
    assert_equal(tmp_path / "lone/0", tmp_path / "beside/2")


def test_a_failure_is_told_as_that_of_the_run_alone(tmp_path: Path) -> None:
    wild = built(*TINY, "steps=20", "seed=2", "optimizer.critic.lr=1e300")
    (tmp_path / "alone").mkdir()
    with pytest.raises(RunError) as failure:
        run(wild, tmp_path / "alone")
    (member,) = together([wild], tmp_path / "all", 2)
    assert str(member.failure) == str(failure.value)


def test_each_log_is_its_runs_own(tmp_path: Path) -> None:
    good, wild = (
        built(*TINY, "steps=9"),
        built(*TINY, "steps=9", "watchdog=warn", "optimizer.critic.lr=1e300"),
    )
    together([good, wild], tmp_path, 2)
    logs = [(tmp_path / str(job) / "train.log").read_text() for job in range(2)]
    assert [log.count("WARNING") > 0 for log in logs] == [False, True]
    assert [log.count("INFO    step ") for log in logs] == [3, 3]
    assert all(log.count("done after step 9") == 1 for log in logs)


def test_pruning_is_each_runs_own(tmp_path: Path) -> None:
    """One falls behind, with one asking fails: neither is told to the others, nor ends them."""

    class Rule(Pruning):
        def _look(self, folder: Path) -> None:
            if folder.name == "1":
                raise OSError("torn curve")
            self.pruned, self._reason = folder.name == "0", "planted"

    experiment = built(*TINY, "steps=9000", "evaluate_every=2", "log_every=0", "checkpoint_every=0")
    rules = [Rule("reverse_kl", "lower", 1, 4) for _ in range(3)]
    members = [Member(job, experiment, tmp_path / str(job), rules=[rule]) for job, rule in enumerate(rules)]
    for member in members:
        member.folder.mkdir()

    ended: list[int] = []
    Training(Chunk(members, 3, None), lambda one: ended.append(one.job)).run(lambda: len(ended) == 2)
    assert [member.outcome for member in members] == ["stopped", "failed", "stopped"]
    assert [str(member.failure or "") for member in members] == ["", "torn curve", ""]
    logs = [(member.folder / "train.log").read_text() for member in members]
    assert [log.count("pruned: planted") for log in logs] == [1, 0, 0]
    assert [(member.folder / ".pruned").exists() for member in members] == [True, False, False]


def recorded(folder: Path, graphs: Graphs | None, *more: str) -> list[State]:
    """The states after rounds as usual, and after the same ones by recordings."""
    ends: list[State] = []
    Again.made = 0
    for records in (False, True):
        experiments = [built(*TINY, *more, f"seed={seed}") for seed in range(2)]
        members = [Member(job, one, folder / str(job)) for job, one in enumerate(experiments)]
        chunk = Chunk(members, 32, graphs)
        if records:
            chunk._play = Captured(chunk._play, Again)
        for _ in range(4 * WARM_UP):
            chunk.play()
        ends.append(chunk._state)
    return ends


def test_recorded_rounds_are_the_usual_ones(tmp_path: Path) -> None:
    for usual, again in zip(*map(tree_leaves, recorded(tmp_path, None, *LAZY)), strict=True):
        assert torch.equal(usual, again)
    assert Again.made == 2, "rounds with the lazy term, and without"


@pytest.mark.slow
def test_a_compiled_round_is_recorded_as_it_was_compiled(tmp_path: Path) -> None:
    graphs: Graphs = {}
    for usual, again in zip(*map(tree_leaves, recorded(tmp_path, graphs)), strict=True):
        assert torch.equal(usual, again)
    assert (Again.made, len(graphs)) == (1, 1)


@pytest.mark.slow
def test_compiled_rounds_keep_both_promises(tmp_path: Path) -> None:
    more = ["steps=50", "trick=[r1,instance_noise]"]
    own, other = (built(*TINY, *more, f"seed={seed}") for seed in range(2))
    wild = built(*TINY, *more, "optimizer.critic.lr=1e300")
    graphs: Graphs = {}
    together([own], tmp_path / "lone", 32, graphs)
    together([other, wild, other, own], tmp_path / "beside", 32, graphs)
    assert len(graphs) == 1
    assert_equal(tmp_path / "lone/0", tmp_path / "beside/3")
    (tmp_path / "alone").mkdir()
    run(own, tmp_path / "alone")
    assert_close(tmp_path / "alone", tmp_path / "lone/0")
