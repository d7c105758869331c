"""Rounds by recorded graphs: a stand-in for CUDA's graphs shows what is recorded, copied and given back."""

from __future__ import annotations

import logging

import pytest
import torch
from torch.utils._pytree import tree_leaves, tree_map

from gan_cli.captured import WARM_UP, Body, Captured, Leaves
from gan_cli.data.feed import Feed
from gan_cli.streams import Streams
from tests.test_combinations import built

CPU = torch.device("cpu")


class Again:
    """A recording as a graph is one: it reads the tensors it was made with and writes its own result."""

    made = 0

    def __init__(self, body: Body, at: Leaves):
        type(self).made += 1
        self._body, self._at = body, at
        self.result = [x.clone() for x in body(at)]

    def replay(self) -> None:
        for mine, fresh in zip(self.result, self._body(self._at), strict=True):
            mine.copy_(fresh)


class Wrong(Again):
    def replay(self) -> None:
        super().replay()
        self.result[-1] += 1


class Impossible(Again):
    def __init__(self, body: Body, at: Leaves):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")


def rounds(overrides: list[str], play_by: type[Again] | None, steps: int) -> list[object]:
    """The states and traces of each round, as tensors that were copied when they came."""
    made = built(*overrides, "batch_size=8", "device=cpu", "runtime.precision=fp64")
    game, streams = made.game, Streams(0, CPU)
    play = game.play if play_by is None else Captured(game.play, play_by)
    state, seen = game.init(0), []
    kept = []
    with Feed(made.dataset, 8, streams, CPU) as feed:
        for step in range(steps):
            after = play(state, game.draw(step, feed, streams))
            kept.append(after)
            seen.append(tree_map(torch.clone, after))
            state = after[0]
    # What was handed out earlier is still what it was.
    for held, then in zip(kept, seen, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(tree_leaves(held), tree_leaves(then), strict=True))
    return seen


CASES = {
    "points": ["data=ring", "model=mlp", "model.width=8", "trick=[instance_noise,ema]", "critic_steps=2"],
    "intervals": ["data=ring", "model=mlp", "model.width=8", "trick=[r1]", "trick.r1.every=3"],
    "images": ["data=fake", "data.size=16", "data.count=40", "model=dcgan", "model.width=4"],
}


@pytest.mark.parametrize("case", CASES)
def test_recorded_rounds_are_the_usual_ones(case: str) -> None:
    Again.made = 0
    steps = 6 * WARM_UP
    usual, recorded = rounds(CASES[case], None, steps), rounds(CASES[case], Again, steps)
    for x, y in zip(tree_leaves(usual), tree_leaves(recorded), strict=True):
        assert torch.equal(x, y)
    assert Again.made == (2 if case == "intervals" else 1)


@pytest.mark.parametrize(("kind", "word"), [(Wrong, "not close"), (Impossible, "not permitted")])
def test_what_cannot_be_recorded_is_played_as_usual(
    kind: type[Again], word: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        recorded = rounds(CASES["points"], kind, 2 * WARM_UP)
    for x, y in zip(
        tree_leaves(rounds(CASES["points"], None, 2 * WARM_UP)), tree_leaves(recorded), strict=True
    ):
        assert torch.equal(x, y)
    assert [word in record.message for record in caplog.records] == [True]
