"""A compiled round gives the numbers of an eager one."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves

from gan_cli.data.feed import Feed
from gan_cli.errors import InputError
from gan_cli.streams import Streams
from tests.test_combinations import built

CASES = {
    "points": ["data=ring", "model=mlp", "trick=[unrolled,instance_noise,r1]", "trick.unrolled.steps=2"],
    "whole": [
        "data=ring",
        "model=mlp",
        "trick=[instance_noise,r1,ema]",
        "trick.r1.every=2",
        "critic_steps=2",
    ],
    "normed": [
        *["data=fake", "data.size=16", "data.count=40", "model=dcgan"],
        *["trick=[unrolled]", "trick.unrolled.steps=2"],
    ],
    "images": ["data=fake", "data.size=16", "data.count=40", "model=dcgan", "loss=fgan_js"],
}


usual = torch.compile


def _traced(function: Any, **options: Any) -> Any:
    return usual(function, backend="aot_eager", **{k: v for k, v in options.items() if k != "options"})


def trained(overrides: list[str], rounds: int = 3) -> Any:
    made = built(*overrides, "model.width=8", "batch_size=8", "device=cpu")
    game, streams = made.learner, Streams(0, torch.device("cpu"))
    state = game.init(0)
    with Feed(made.dataset, 8, streams, torch.device("cpu")) as feed:
        for step in range(rounds):
            state, _ = game.play(state, game.draw(step, feed, streams))
    return state


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_compiling_changes_nothing_but_rounding(case: str) -> None:
    overrides = [*CASES[case], "runtime.precision=fp64"]
    eager, compiled = trained(overrides), trained([*overrides, "runtime.compile=on"])
    for x, y in zip(tree_leaves(eager), tree_leaves(compiled), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-9)


def test_any_number_of_games_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    # The compiler refuses the ninth version of one function.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    for number in range(10):
        line = ["data=ring", "model=mlp", f"optimizer.critic.lr={1e-4 * (1 + number)}"]
        trained([*line, "runtime.compile=on"], rounds=1)


@pytest.mark.slow
def test_statistics_survive_compiled_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    # The passes of the compiler without its kernels, for which the other slow tests are. Not by Adam, which
    # makes whole steps of what rounding leaves of a gradient that is 0.
    monkeypatch.setattr(torch, "compile", _traced)
    line = [*CASES["normed"], "model.width=4", "runtime.precision=fp64", "optimizer=sgd"]
    eager, ahead = trained(line, 2), trained([*line, "runtime.compile=on"], 2)
    for x, y in zip(tree_leaves(eager), tree_leaves(ahead), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-6, atol=1e-6)


def test_compiled_moves_of_convolutions_with_channels_innermost_are_refused() -> None:
    with pytest.raises(InputError, match="use runtime.channels_last=false"):
        trained([*CASES["normed"], "runtime.compile=on", "runtime.channels_last=true"])


def test_games_of_one_shape_keep_their_own_compiled_moves() -> None:
    # Moves are compiled without guards: another game's would be taken silently, were they not kept apart.
    shared = [*CASES["points"], "runtime.precision=fp64", "batch_size=8"]
    for more in (["loss=gan"], ["loss=lsgan"]):
        eager, ahead = trained([*shared, *more]), trained([*shared, *more, "runtime.compile=on"])
        for x, y in zip(tree_leaves(eager), tree_leaves(ahead), strict=True):
            torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
def test_recomputing_compiled_moves_changes_nothing() -> None:
    line = [*CASES["points"], "runtime.precision=fp64", "runtime.compile=on", "trick.unrolled.steps=3"]
    kept, again = trained(line), trained([*line, "trick.unrolled.recompute=true"])
    for x, y in zip(tree_leaves(kept), tree_leaves(again), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "more"), [("images", []), ("images", ["runtime.channels_last=true"]), ("normed", [])]
)
def test_reduced_precision_compiles(case: str, more: list[str]) -> None:
    state = trained([*CASES[case], "runtime.precision=bf16", "runtime.compile=on", *more])
    assert all(x.isfinite().all() for x in tree_leaves(state))
