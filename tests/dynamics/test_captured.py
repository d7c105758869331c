"""Rounds by recorded graphs: a stand-in for CUDA's graphs shows what is recorded, copied and given back."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import keystr, tree_flatten_with_path, tree_leaves, tree_map

from gan_cli.captured import WARM_UP, Body, Captured, Leaves
from gan_cli.data.feed import Feed
from gan_cli.streams import Streams
from gan_cli.types import Trace
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
    assert_refused(rounds(CASES["points"], kind, 2 * WARM_UP), "points", word, caplog)


@pytest.mark.parametrize(
    ("case", "part"),
    [
        ("images", "[0].generator.buffers"),
        ("images", ".square"),
        ("images", "[0].critic.params"),
        ("images", "[0].step"),
        ("points", "[0].generator.terms"),
    ],
)
def test_a_part_of_the_state_that_stands_still_is_found(
    case: str, part: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What is recorded wrongly leaves the traces of that round as they are."""

    class Still(Again):
        def __init__(self, body: Body, at: Leaves):
            super().__init__(body, at)
            self._kept = [x.clone() for x in self.result]

        def replay(self) -> None:
            super().replay()
            for place in places:
                self.result[place].copy_(self._kept[place])

    paths = tree_flatten_with_path(rounds(CASES[case], None, 1)[0])[0]
    places = [i for i, (path, _) in enumerate(paths) if part in keystr(path)]
    assert places
    assert_refused(rounds(CASES[case], Still, 2 * WARM_UP), case, "not close", caplog)


def test_a_number_of_the_host_that_was_recorded_is_found(caplog: pytest.LogCaptureFixture) -> None:
    """A round that reads the host's clock would for ever be the one that was recorded."""

    class Frozen(Again):
        def replay(self) -> None:
            clock[0], now = self._then, clock[0]
            super().replay()
            clock[0] = now

        def __init__(self, body: Body, at: Leaves):
            self._then = clock[0]
            super().__init__(body, at)

    clock = [0]

    def play(state: dict[str, Tensor], _: Tensor) -> tuple[dict[str, Tensor], dict[str, Trace]]:
        return {"x": state["x"] + clock[0]}, {}

    captured, state = Captured(play, Frozen), {"x": torch.zeros(3)}
    for number in range(2 * WARM_UP):
        clock[0] = number
        state, _ = captured(state, torch.zeros(1))
    assert state["x"].tolist() == [sum(range(2 * WARM_UP))] * 3
    assert ["not close" in record.message for record in caplog.records] == [True]
    assert not captured._graphs


def test_what_both_batches_share_is_copied_once() -> None:
    seen: list[int] = []

    class Counting(Again):
        def __init__(self, body: Body, at: Leaves):
            seen.append(len(at))
            super().__init__(body, at)

    made = built(*CASES["points"], "batch_size=8", "device=cpu")
    state, streams = made.game.init(0), Streams(0, CPU)
    with Feed(made.dataset, 8, streams, CPU) as feed:
        drawn = tree_leaves(made.game.draw(0, feed, streams))
    rounds(CASES["points"], Counting, WARM_UP)
    different = {id(x) for x in drawn}
    assert len(different) < len(drawn)
    assert seen == [len(tree_leaves(state)) + len(different)]


def assert_refused(found: object, case: str, word: str, caplog: pytest.LogCaptureFixture) -> None:
    """The rounds are the usual ones, and one line says why."""
    usual = rounds(CASES[case], None, 2 * WARM_UP)
    for x, y in zip(tree_leaves(usual), tree_leaves(found), strict=True):
        assert torch.equal(x, y)
    assert [word in record.message for record in caplog.records if record.name.startswith("gan_cli")] == [
        True
    ]
