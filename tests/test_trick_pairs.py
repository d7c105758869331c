"""Every pair of tricks trains, resumes bitwise and runs in an ensemble, or is refused with its reason.

All cells (pair × loss × model) go through two rounds, and each pair through twenty in one of them; the slow
test takes all cells through twenty.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves

from benchmarks.combinations import IMAGES, SMALL, built, options
from gan_cli import checkpoint
from gan_cli.build import Experiment
from gan_cli.data.feed import Feed
from gan_cli.ensemble import Ensemble, stack, unstack
from gan_cli.errors import InputError
from gan_cli.game import Game
from gan_cli.losses.base import Loss
from gan_cli.streams import Streams
from gan_cli.types import Round, State
from tests.games import CPU

Pair = tuple[str, ...]
TRICKS = options("trick")
PAIRS: list[Pair] = list(itertools.combinations(TRICKS, 2))
LOSSES = ["gan_ns", "fgan_kl", "wgan", "rpgan"]
MODELS = ["mlp", "dcgan"]
SEEDS = (0, 1)
FEW, MANY = 2, 20

PENALTIES = {"r1", "r2", "wgan_gp", "dragan"}
TINY: dict[str, dict[str, Any]] = {
    "unrolled": {"steps": 2},
    "minibatch_discrimination": {"kernels": 3, "dims": 2},
    "virtual_batch_norm": {"size": 4},
}
REFUSED: list[tuple[str, Callable[[Collection[str], str, str], bool]]] = [
    ("a sum over real and fake", lambda t, model, loss: "label_smoothing" in t and loss == "rpgan"),
    ("model.critic.norm=layer", lambda t, model, loss: bool(PENALTIES & {*t}) and model == "dcgan"),
    (
        "no minibatch discrimination",
        lambda t, model, loss: bool(PENALTIES & {*t}) and "minibatch_discrimination" in t,
    ),
    ("has no BatchNorm", lambda t, model, loss: "virtual_batch_norm" in t and model == "mlp"),
    ("in which order the players move", lambda t, model, loss: {"extragradient", "simultaneous"} <= {*t}),
    ("keep one of the two", lambda t, model, loss: {"extragradient", "optimistic"} <= {*t}),
    ("keep one of the two", lambda t, model, loss: {"consensus", "unrolled"} <= {*t}),
    ("feature_matching.alone=false", lambda t, model, loss: {"consensus", "feature_matching"} <= {*t}),
]
"""What the error must say of which tricks, model and loss."""


def name(pair: Pair) -> str:
    return "-".join(pair)


def reasons(pair: Pair, model: str, loss: str) -> list[str]:
    return [phrase for phrase, rule in REFUSED if rule(pair, model, loss)]


def networks(model: str, pair: Pair) -> tuple[str, str]:
    """The family's tiny member that suits the pair, where the family has one, and what it counts as."""
    if model == "mlp" and "virtual_batch_norm" in pair:
        return "mlp_fgan", "has BatchNorm"
    if model == "dcgan" and PENALTIES & {*pair}:
        return "dcgan", "has no BatchNorm in the critic"
    return model, model


def overrides(model: str, loss: str = "gan_ns", more: Sequence[str] = ()) -> tuple[str, ...]:
    precise = ("model.latent=4", "runtime.precision=fp64", f"loss={loss}")
    return (*IMAGES, f"model={model}", *SMALL[model], *precise, *more)


def cell(pair: Pair, model: str, **changed: Any) -> Experiment:
    option, kind = networks(model, pair)
    more = ["model.critic.norm=layer"] if kind == "has no BatchNorm in the critic" else []
    tricks = {trick: TINY.get(trick, {}) | changed.get(trick, {}) for trick in pair}
    return built(overrides(option, more=more), tricks)


@cache
def loss_of(loss: str, smoothed: bool) -> Loss:
    """The loss, built as a game has it: it enters a game at this one place."""
    return built(overrides("mlp", loss), {"label_smoothing": {}} if smoothed else {}).game.loss


def legal_losses(pair: Pair, model: str) -> list[str]:
    kind = networks(model, pair)[1]
    return [loss for loss in LOSSES if not reasons(pair, kind, loss)]


def drawn(made: Experiment, rounds: int) -> list[list[Round]]:
    """Each round of each seed."""
    game, streams = made.game, [Streams(seed, CPU) for seed in SEEDS]
    feeds = [Feed(made.dataset, game.batch_size, s, CPU) for s in streams]
    return [[game.draw(n, f, s) for f, s in zip(feeds, streams, strict=True)] for n in range(rounds)]


def assert_walks(game: Game, states: list[State], batches: list[list[Round]]) -> None:
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


@pytest.mark.parametrize("pair", PAIRS, ids=name)
@pytest.mark.parametrize("model", MODELS)
def test_a_pair(model: str, pair: Pair) -> None:
    losses = legal_losses(pair, model)
    if not losses:
        return
    made = cell(pair, model)
    number, states = PAIRS.index(pair) % (len(MODELS) * len(LOSSES)), [made.game.init(s) for s in SEEDS]
    long = (MODELS[number // len(LOSSES)], LOSSES[number % len(LOSSES)])
    batches = drawn(made, MANY if long[0] == model else FEW)
    for loss in losses:
        game = replace(made.game, loss=loss_of(loss, "label_smoothing" in pair))
        assert_walks(game, states, batches if long == (model, loss) else batches[:FEW])


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids=name)
@pytest.mark.parametrize("model", MODELS)
def test_twenty_rounds_of_every_cell(model: str, pair: Pair) -> None:
    losses = legal_losses(pair, model)
    if not losses:
        return
    made = cell(pair, model)
    states, batches = [made.game.init(s) for s in SEEDS], drawn(made, MANY)
    for loss in losses:
        assert_walks(replace(made.game, loss=loss_of(loss, "label_smoothing" in pair)), states, batches)


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
        built(overrides(model, loss), {trick: TINY.get(trick, {}) for trick in pair})
    assert any(phrase in str(refused.value) for phrase in reasons(pair, model, loss)), refused.value


@pytest.mark.parametrize("pair", PAIRS, ids=name)
def test_the_other_order(pair: Pair) -> None:
    """A list may be written in any order; what the second layer needs to find, the error says."""
    if not legal_losses(pair, "mlp"):
        return
    if pair == ("minibatch_discrimination", "spectral_norm"):
        with pytest.raises(InputError, match="name minibatch_discrimination first"):
            cell(pair[::-1], "mlp")
    else:
        cell(pair[::-1], "mlp")


@pytest.mark.parametrize("model", MODELS)
def test_the_way_out_of_a_refusal(model: str) -> None:
    """Consensus is of both losses: features may be matched beside them."""
    made = cell(("consensus", "feature_matching"), model, feature_matching={"alone": False})
    assert_walks(made.game, [made.game.init(s) for s in SEEDS], drawn(made, MANY))


@pytest.mark.parametrize("model", MODELS)
def test_all_at_once(model: str) -> None:
    """Every trick that no other one of the list forbids."""
    kind = networks(model, tuple(TRICKS))[1]
    chosen: list[str] = []
    for trick in TRICKS:
        if not any(reasons((other, trick), kind, "gan_ns") for other in chosen):
            chosen.append(trick)
    assert len(chosen) > len(TRICKS) - 10
    made = cell(tuple(chosen), model)
    assert_walks(made.game, [made.game.init(s) for s in SEEDS], drawn(made, FEW))
