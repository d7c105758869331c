"""Every pair of tricks trains, resumes bitwise and runs in an ensemble, or is refused with its reason.

All cells (pair × loss × model) go through two rounds, and each pair through twenty in one of them; the slow
test takes all cells through twenty.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves

from benchmarks import combinations
from benchmarks.combinations import IMAGES, SMALL, built, options
from gan_cli import checkpoint
from gan_cli.build import Experiment
from gan_cli.data.feed import Feed
from gan_cli.ensemble import Ensemble, stack, unstack
from gan_cli.errors import InputError
from gan_cli.game import Game
from gan_cli.losses.base import Loss
from gan_cli.streams import Streams
from gan_cli.types import GameRound, GameState
from tests.games import CPU

Pair = tuple[str, ...]
TRICKS = options("trick")
PAIRS: list[Pair] = list(itertools.combinations(TRICKS, 2))
LOSSES = ["gan_ns", "fgan_kl", "wgan", "rpgan"]
MODELS = ["mlp", "dcgan"]
SEEDS = (0, 1)
FEW, MANY = 2, 20

PENALTIES = {"r1", "r2", "wgan_gp", "dragan"}
NETWORKS = {name: (f"model={name}", *SMALL[name]) for name in ("mlp", "mlp_fgan", "dcgan")}
NETWORKS["dcgan_layer"] = (*NETWORKS["dcgan"], "model.critic.norm=layer")
PAGE = Path(__file__).parent.parent / "docs" / "combinations.md"
TINY: dict[str, dict[str, Any]] = {
    "unrolled": {"steps": 2},
    "minibatch_discrimination": {"kernels": 3, "dims": 2},
    "virtual_batch_norm": {"size": 4},
}
REFUSED: list[tuple[str, Callable[[Collection[str], str, str], bool]]] = [
    ("a sum over real and fake", lambda t, network, loss: "label_smoothing" in t and loss == "rpgan"),
    ("model.critic.norm=layer", lambda t, network, loss: bool(PENALTIES & {*t}) and network == "dcgan"),
    (
        "no minibatch discrimination",
        lambda t, network, loss: bool(PENALTIES & {*t}) and "minibatch_discrimination" in t,
    ),
    ("has no BatchNorm", lambda t, network, loss: "virtual_batch_norm" in t and network == "mlp"),
    ("in which order the players move", lambda t, network, loss: {"extragradient", "simultaneous"} <= {*t}),
    ("keep one of the two", lambda t, network, loss: {"extragradient", "optimistic"} <= {*t}),
    ("keep one of the two", lambda t, network, loss: {"consensus", "unrolled"} <= {*t}),
    ("feature_matching.alone=false", lambda t, network, loss: {"consensus", "feature_matching"} <= {*t}),
]
"""What the error must say of which tricks, network and loss."""


def name(pair: Pair) -> str:
    return "-".join(pair)


def reasons(pair: Pair, network: str, loss: str) -> list[str]:
    return [phrase for phrase, rule in REFUSED if rule(pair, network, loss)]


def suited(model: str, pair: Pair) -> str:
    """The family's member that refuses none of the two by itself."""
    if model == "mlp" and "virtual_batch_norm" in pair:
        return "mlp_fgan"
    return "dcgan_layer" if model == "dcgan" and PENALTIES & {*pair} else model


def cell(pair: Pair, network: str, loss: str = "gan_ns", **changed: Any) -> Experiment:
    """A tiny game of float64 with these tricks."""
    line = (*IMAGES, *NETWORKS[network], "model.latent=4", "runtime.precision=fp64", f"loss={loss}")
    return built(line, {trick: TINY.get(trick, {}) | changed.get(trick, {}) for trick in pair})


@cache
def loss_of(loss: str, smoothed: bool) -> Loss:
    """The loss, built as a game has it: it enters a game at this one place."""
    return cell(("label_smoothing",) if smoothed else (), "mlp", loss).game.loss


def legal_losses(pair: Pair, network: str) -> list[str]:
    return [loss for loss in LOSSES if not reasons(pair, network, loss)]


def drawn(made: Experiment, rounds: int) -> list[list[GameRound]]:
    """Each round of each seed."""
    game, streams = made.game, [Streams(seed, CPU) for seed in SEEDS]
    feeds = [Feed(made.dataset, game.batch_size, s, CPU) for s in streams]
    return [[game.draw(n, f, s) for f, s in zip(feeds, streams, strict=True)] for n in range(rounds)]


def assert_walks(game: Game, states: list[GameState], batches: list[list[GameRound]]) -> None:
    """Finite; the same alone and in an ensemble to rounding; the last round played again bitwise the same.

    That round is played from a checkpoint's tensors and after all others, so that nothing may be remembered
    outside the state.
    """
    state = states[1]
    for _, batch in batches:
        before, (state, traces) = state, game.play(state, batch)
    seen = (state, traces, game.measure(traces), game.sample(state, batches[0][1].generator.latent))
    assert all(x.isfinite().all() for x in tree_leaves(seen)), seen[2]
    ensemble, together = Ensemble(game), stack(states)
    for both in batches:
        together, _ = ensemble.play(together, stack(both))
    for x, y in zip(tree_leaves(unstack(together, 1)), tree_leaves(state), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-7, atol=1e-9)
    resumed = checkpoint.restore(states[1], checkpoint.flatten(before))
    for x, y in zip(tree_leaves(game.play(resumed, batch)), tree_leaves((state, traces)), strict=True):
        assert torch.equal(x, y)


def walk(pair: Pair, model: str, rounds: Callable[[str], int]) -> None:
    """The pair with each loss that allows it, for as many rounds as `rounds` says of the loss."""
    network = suited(model, pair)
    losses = {loss: rounds(loss) for loss in legal_losses(pair, network)}
    if losses:
        made = cell(pair, network)
        states, batches = [made.game.init(seed) for seed in SEEDS], drawn(made, max(losses.values()))
        for loss, many in losses.items():
            game = replace(made.game, loss=loss_of(loss, "label_smoothing" in pair))
            assert_walks(game, states, batches[:many])


@pytest.mark.parametrize("pair", PAIRS, ids=name)
@pytest.mark.parametrize("model", MODELS)
def test_a_pair(model: str, pair: Pair) -> None:
    number = PAIRS.index(pair) % (len(MODELS) * len(LOSSES))
    long = (MODELS[number // len(LOSSES)], LOSSES[number % len(LOSSES)])
    walk(pair, model, lambda loss: MANY if (model, loss) == long else FEW)


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids=name)
@pytest.mark.parametrize("model", MODELS)
def test_twenty_rounds_of_every_cell(model: str, pair: Pair) -> None:
    walk(pair, model, lambda loss: MANY)


@pytest.mark.parametrize("trick", [trick for trick in TRICKS if trick != "unrolled"])
@pytest.mark.parametrize("model", MODELS)
def test_recomputed_moves_are_the_same_with_every_trick(model: str, trick: str) -> None:
    pair = (trick, "unrolled")
    network = suited(model, pair)
    if not legal_losses(pair, network):
        return
    made = cell(pair, network, unrolled={"steps": 4})
    state, batches = made.game.init(0), drawn(made, FEW)
    for batch, _ in batches:
        again, _ = replace(made.game, recompute=True).play(state, batch)
        state, _ = made.game.play(state, batch)
        for x, y in zip(tree_leaves(again), tree_leaves(state), strict=True):
            torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-12)


CELLS = [
    (pair, model, loss)
    for pair in PAIRS
    for model in MODELS
    # Of the losses only rpgan refuses anything.
    for loss in (("gan_ns", "rpgan") if "label_smoothing" in pair else ("gan_ns",))
    if reasons(pair, model, loss)
]


@pytest.mark.parametrize(("pair", "model", "loss"), CELLS, ids=lambda v: v if isinstance(v, str) else name(v))
def test_a_forbidden_pair(pair: Pair, model: str, loss: str) -> None:
    with pytest.raises(InputError) as refused:
        cell(pair, model, loss)
    assert any(phrase in str(refused.value) for phrase in reasons(pair, model, loss)), refused.value


@pytest.mark.parametrize("pair", PAIRS, ids=name)
def test_the_other_order(pair: Pair) -> None:
    """A list may be written in any order."""
    network = suited("mlp", pair)
    if legal_losses(pair, network):
        cell(pair[::-1], network)


@pytest.mark.parametrize("model", MODELS)
def test_the_way_out_of_a_refusal(model: str) -> None:
    """Consensus is of both losses: features may be matched beside them."""
    made = cell(("consensus", "feature_matching"), model, feature_matching={"alone": False})
    assert_walks(made.game, [made.game.init(seed) for seed in SEEDS], drawn(made, MANY))


@pytest.mark.parametrize("model", MODELS)
def test_all_at_once(model: str) -> None:
    """Every trick that no other one before it in the alphabet forbids, in one game."""
    network = suited(model, tuple(TRICKS))
    chosen: Pair = ()
    for trick in TRICKS:
        if not any(reasons((other, trick), network, "gan_ns") for other in chosen):
            chosen += (trick,)
    assert len(chosen) > len(TRICKS) - 10
    made = cell(chosen, network)
    assert_walks(made.game, [made.game.init(seed) for seed in SEEDS], drawn(made, FEW))


@pytest.mark.parametrize("section", [combinations.pairs, combinations.models, combinations.losses])
def test_the_page_says_what_the_code_does(section: Callable[[], str]) -> None:
    """Where it does not: python -m benchmarks.combinations > docs/combinations.md."""
    assert section() in PAGE.read_text()
