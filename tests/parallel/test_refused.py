"""What several processes cannot share is refused in one line, and each has its own rows of what they can."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from gan_cli.cli import train
from gan_cli.data.feed import Feed
from gan_cli.errors import InputError
from gan_cli.game import Game
from gan_cli.parallel.crew import ranked
from gan_cli.parallel.game import SharedGame, shared
from gan_cli.parallel.ranks import Ranks, here
from gan_cli.streams import Streams
from gan_cli.types import GameRound
from tests.games import CPU, small_game
from tests.parallel.cases import CASES, IMAGES, POINTS
from tests.test_combinations import built, options

TWO = {
    "TORCHELASTIC_RUN_ID": "a",
    "RANK": "0",
    "WORLD_SIZE": "2",
    "LOCAL_RANK": "0",
    "LOCAL_WORLD_SIZE": "2",
    "GROUP_RANK": "0",
}


@pytest.fixture
def first_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchrun's environment for the first of two processes."""
    for name, value in TWO.items():
        monkeypatch.setenv(name, value)


REFUSED = {
    "uneven": ([*POINTS, "batch_size=13"], "batch_size=13: 2 processes cannot share it evenly; use 12"),
    "packs": ([*POINTS, "trick=[packing]", "batch_size=10"], "evenly in packs of 2; use 8"),
    "compiled": ([*POINTS, "runtime.compile=on"], "use runtime.compile=off"),
    "one_example": ([*IMAGES, "batch_size=2", "runtime.batch_norm=ghost"], "use runtime.batch_norm=sync"),
}


@pytest.mark.usefixtures("first_of_two")
@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    overrides, reason = REFUSED[case]
    with pytest.raises(InputError) as refused:
        built(*overrides)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_trick_is_among_what_is_played_by_several() -> None:
    played = {name for line in CASES.values() for name in re.findall(r"\w+", " ".join(line))}
    assert set(options("trick")) <= played


@pytest.mark.usefixtures("first_of_two")
@pytest.mark.parametrize(
    ("words", "what"), [(["-m", "seed=1,2"], "a sweep"), (["study=vanishing_gradients"], "a study")]
)
def test_a_series_of_runs_is_refused(words: list[str], what: str) -> None:
    with pytest.raises(InputError, match=f"{what} is no single run"):
        train.command([*words, "data=ring", "model=mlp", "device=cpu"])


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    gpu = torch.device("cuda")
    with pytest.raises(InputError, match="--nproc-per-node=2: this machine has 1 GPU; use 1, or device=cpu"):
        ranked(gpu, Ranks(0, 2, 0, 2))
    assert ranked(gpu, Ranks(1, 2, 0, 1, 1)) == torch.device("cuda", 0)
    assert ranked(gpu, Ranks()) == gpu


def test_one_process_of_torchrun_is_an_ordinary_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (TWO | {"WORLD_SIZE": "1"}).items():
        monkeypatch.setenv(name, value)
    made = built(*POINTS, "batch_size=13")
    assert made.ranks.count == 1
    assert not isinstance(made.learner, SharedGame)


def test_another_launcher_s_ranks_are_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TWO.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert here() == Ranks()


class Ranked(nn.Module):
    """Scores an example by its place in the batch."""

    mixes_batch = True

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0].argsort().to(x.dtype)


def test_a_layer_that_mixes_the_batch_in_its_own_way_is_refused() -> None:
    game = small_game()
    mixing = game.critic.network.changed(lambda _: Ranked())
    object.__setattr__(game.critic, "network", mixing)
    with pytest.raises(InputError, match="Ranked compares the examples of a batch"):
        shared(game, Ranks(0, 2), {"batch_norm": "sync", "compile": "off"})


NOISY = {
    "points": [*POINTS, "trick=[instance_noise,wgan_gp,packing]", "critic_steps=2", "loss=wgan"],
    "images": [*IMAGES, "trick=[diffaugment]", "batch_size=24"],  # over the end of an epoch of 40
    "resting": [*POINTS, "trick=[wgan_gp]", "trick.wgan_gp.every=2"],
    "disk": [*IMAGES, "runtime.resident_mb=0"],
}


@pytest.mark.parametrize("case", NOISY)
def test_the_rows_of_all_processes_make_the_batch(case: str) -> None:
    made = built(*NOISY[case])

    def drawn(game: Game, ranks: Ranks) -> list[GameRound]:
        streams, rows = Streams(made.seed, CPU), ranks.rows(game.batch_size)
        with Feed(made.dataset, game.batch_size, streams, CPU, made.resident_mb, rows) as feed:
            return [game.draw(step, feed, streams) for step in range(3)]

    ranks = [Ranks(rank, 3) for rank in range(3)]
    games = [shared(made.game, r, {"batch_norm": "ghost", "compile": "off"}) for r in ranks]
    whole = tree_leaves(drawn(made.game, Ranks()))
    parts = [tree_leaves(drawn(game, r)) for game, r in zip(games, ranks, strict=True)]
    assert whole
    for tensor, *shares in zip(whole, *parts, strict=True):
        assert torch.equal(tensor, torch.cat(shares))
