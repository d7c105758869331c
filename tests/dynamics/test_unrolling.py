"""Unrolling against finite differences of an independent implementation, its unit, and its memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from benchmarks.unrolling import peak_memory
from gan_cli.calculus import Calculus, eager, functional
from gan_cli.dynamics import Alternating, Extragradient, Order, Simultaneous
from gan_cli.game import Game
from gan_cli.models.mlp import Critic
from gan_cli.network import Network
from gan_cli.streams import Streams
from gan_cli.terms.base import Term
from gan_cli.terms.historical_averaging import historical_averaging
from gan_cli.terms.lecam import LeCam
from gan_cli.terms.r1 import R1
from gan_cli.transforms.adam import Adam
from gan_cli.transforms.sgd import SGD
from gan_cli.types import GameState
from tests.dynamics.replay import (
    OPTIMISERS,
    MakeOptimiser,
    ahead_loss,
    generator_gradient,
    slope_along,
    warmed,
)
from tests.games import CPU, Cloud, small_game
from tests.test_combinations import built

HISTORY = historical_averaging(generator=0.3, critic=0.8)
# R1 under BatchNorm is refused: its gradient example by example does not exist.
INNER: dict[str, dict[str, Any]] = {
    "bare": {},
    "r1": {"terms": [R1(0.7)]},
    "history": {"terms": HISTORY},
    "r1-history": {"terms": [R1(0.7), *HISTORY]},
    "batchnorm": {"normed": True},
    "batchnorm-history": {"normed": True, "terms": HISTORY},
}
ORDERS: dict[str, Order] = {
    "alternating": Alternating(),
    "simultaneous": Simultaneous(),
    "extragradient": Extragradient(),
}


def same(a: Any, b: Any) -> bool:
    return all(torch.equal(x, y) for x, y in zip(tree_leaves(a), tree_leaves(b), strict=True))


def assert_close(a: Any, b: Any, rtol: float = 1e-10) -> None:
    for x, y in zip(tree_leaves(a), tree_leaves(b), strict=True):
        torch.testing.assert_close(x, y, rtol=rtol, atol=rtol)


def assert_is_the_derivative(game: Game, theirs: MakeOptimiser, rounds: int = 3) -> None:
    """The generator's step, by SGD of rate 1, against the slope of its replayed loss."""
    state, batches = warmed(game, rounds)
    gradient, after = generator_gradient(game, state, batches)
    start = state.critic if isinstance(game.order, Simultaneous) else after.critic
    torch.manual_seed(0)
    direction = {k: torch.randn_like(p) for k, p in state.generator.params.items()}

    def along(t: float) -> Tensor:
        theta = {k: p + t * direction[k] for k, p in state.generator.params.items()}
        return ahead_loss(game, state, start, batches, theta, theirs)

    ours = torch.stack([(gradient[k] * d).sum() for k, d in direction.items()]).sum()
    torch.testing.assert_close(ours, slope_along(along), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_gradient_equals_finite_differences(optimiser: str, steps: int, inner: str) -> None:
    ours, theirs = OPTIMISERS[optimiser]
    rate: dict[str, Any] = {"critic_transform": ours, "generator_transform": SGD(lr=1.0)}
    assert_is_the_derivative(small_game(unroll=steps, **rate, **INNER[inner]), theirs)


@pytest.mark.parametrize("loss", ["gan", "wgan", "fgan_kl", "rpgan"])
@pytest.mark.parametrize("order", [Alternating(), Simultaneous()])
def test_where_the_inner_moves_start_and_for_which_loss(order: Order, loss: str) -> None:
    """In simultaneous rounds from the critic before its move."""
    ours, theirs = OPTIMISERS["adam"]
    rate: dict[str, Any] = {"critic_transform": ours, "generator_transform": SGD(lr=0.02)}
    game = replace(small_game(loss, unroll=2, terms=[R1(0.7)], **rate), order=order)
    state, batches = warmed(game)
    unit = replace(game, generator=replace(game.generator, transform=SGD(lr=1.0)))
    gradient, after = generator_gradient(unit, state, batches)
    start = state.critic if isinstance(order, Simultaneous) else after.critic
    for name, parameter in state.generator.params.items():
        way = torch.ones_like(parameter)

        def along(t: float, name: str = name, way: Tensor = way) -> Tensor:
            params = state.generator.params
            return ahead_loss(game, state, start, batches, params | {name: params[name] + t * way}, theirs)

        torch.testing.assert_close(gradient[name].sum(), slope_along(along), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("calculus", [eager, functional])
def test_packs_in_the_inner_moves(calculus: Calculus) -> None:
    ours, theirs = OPTIMISERS["adam"]
    game = small_game(unroll=2, terms=[R1(0.7)], generator_transform=SGD(lr=1.0), calculus=calculus)
    network = Network(partial(Critic, (4,), width=5, depth=1, activation="softplus"), torch.float64)
    game = replace(game, packing=2, critic=replace(game.critic, network=network, transform=ours))
    assert_is_the_derivative(game, theirs)


@pytest.mark.parametrize("rounds", [2, 3])
def test_a_lazy_term_acts_in_all_inner_moves_of_its_rounds_and_in_no_other(rounds: int) -> None:
    """With every=2 R1 rests in the third round and acts twice as strongly in the fourth."""
    ours, theirs = OPTIMISERS["adam"]
    terms: Sequence[Term] = [R1(0.7, every=2), *historical_averaging(0.0, 0.8)]
    rate: dict[str, Any] = {"critic_transform": ours, "generator_transform": SGD(lr=1.0)}
    assert_is_the_derivative(small_game(unroll=2, terms=terms, **rate), theirs, rounds)


def test_the_term_through_the_inner_moves_is_there() -> None:
    """Detaching the inner moves would give another gradient: the tests above can fail."""
    rate: dict[str, Any] = {"critic_transform": SGD(lr=0.5), "generator_transform": SGD(lr=1.0)}
    state, batches = warmed(small_game(unroll=3, **rate))
    full, plain = (generator_gradient(small_game(unroll=k, **rate), state, batches)[0] for k in (3, 0))
    assert max((full[k] - plain[k]).abs().max() for k in full) > 1e-4


# --- its unit ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("calculus", [eager, functional])
@pytest.mark.parametrize("order", ORDERS)
def test_no_step_ahead_is_the_ordinary_game(order: str, calculus: Calculus) -> None:
    """Bitwise, with recomputation, too."""
    options: dict[str, Any] = {"critic_transform": Adam(lr=0.01), "normed": True, "terms": HISTORY}
    plain = replace(small_game("gan", calculus=calculus, **options), order=ORDERS[order])
    state, batches = warmed(plain)
    assert same(plain.play(state, batches), replace(plain, recompute=True).play(state, batches))


@pytest.mark.parametrize("more", [[], ["simultaneous"], ["extragradient"]])
def test_the_trick_with_no_step_is_no_trick(more: list[str]) -> None:
    base = ["data=ring", "model=mlp", "model.width=5", "batch_size=4", "device=cpu"]
    unit = ["trick.unrolled.steps=0", "trick.unrolled.recompute=true"]
    plain = built(*base, f"trick=[{','.join(more)}]").game
    trick = built(*base, f"trick=[{','.join(['unrolled', *more])}]", *unit).game
    state, batches = plain.init(0), plain.draw(0, Cloud(4), Streams(0, CPU))
    for _ in range(3):
        assert same(plain.play(state, batches), trick.play(state, batches))
        state, _ = plain.play(state, batches)


# --- what stays out ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [Alternating(), Simultaneous()])
@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("normed", [False, True])
def test_nothing_of_the_inner_moves_leaks(normed: bool, recompute: bool, steps: int, order: Order) -> None:
    """Not into the critic's parameters, buffers, optimiser or terms, nor into the generator's buffers."""
    terms: list[Term] = [*HISTORY, LeCam(), *([] if normed else [R1(0.5)])]
    options: dict[str, Any] = {"critic_transform": Adam(lr=0.01), "normed": normed, "terms": terms}
    ordinary = replace(small_game(**options), order=order)
    state, batches = warmed(ordinary)
    plain, traces = ordinary.play(state, batches)
    ahead, ahead_traces = replace(ordinary, unroll=steps, recompute=recompute).play(state, batches)
    assert same((plain.critic, traces["critic"]), (ahead.critic, ahead_traces["critic"]))
    assert same(plain.generator.buffers, ahead.generator.buffers)
    assert not same(plain.generator.params, ahead.generator.params)


def test_an_extragradient_critic_remembers_its_own_moves_alone() -> None:
    game = small_game(unroll=3, critic_transform=Adam(lr=0.01), terms=[LeCam(), *HISTORY], critic_steps=2)
    state, _ = warmed(replace(game, order=Extragradient()), rounds=4)
    anchors, past = state.critic.terms
    assert state.critic.memory.updates == 4 * 3  # one move, a look ahead and the move after it
    assert (anchors.moves, past.size) == (4 * 2, 1 + 4 * 2)


def test_an_extragradient_generator_follows_the_unrolled_gradient_where_both_looked_to() -> None:
    rate: dict[str, Any] = {"critic_transform": SGD(lr=0.1), "generator_transform": SGD(lr=1.0)}
    simultaneous = replace(small_game(unroll=2, **rate), order=Simultaneous())
    state, batches = warmed(simultaneous)
    there, _ = simultaneous.play(state, batches)
    at_there, _ = generator_gradient(
        simultaneous, GameState(there.generator, there.critic, state.step), batches
    )
    found, _ = generator_gradient(replace(simultaneous, order=Extragradient()), state, batches)
    assert_close(found, at_there)


# --- calculi and recomputation ----------------------------------------------------------------------------


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("order", ORDERS)
def test_both_calculi_look_ahead_alike(order: str, inner: str) -> None:
    options: dict[str, Any] = {"unroll": 2, "critic_transform": Adam(lr=0.05)} | INNER[inner]
    one, other = (
        warmed(replace(small_game(calculus=calculus, **options), order=ORDERS[order]))[0]
        for calculus in (eager, functional)
    )
    assert_close(one, other, rtol=1e-9)


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("steps", [1, 4, 5, 9, 10])
def test_recomputed_moves_have_the_same_gradient(steps: int, inner: str) -> None:
    options: dict[str, Any] = {"unroll": steps, "critic_transform": Adam(lr=0.05)} | INNER[inner]
    game = small_game(**options)
    state, batches = warmed(game)
    assert_close(game.play(state, batches), replace(game, recompute=True).play(state, batches))


def test_recomputation_keeps_memory_growing_slower_than_the_steps() -> None:
    """√K instead of K."""

    def peak(steps: int, recompute: bool) -> int:
        game = small_game(unroll=steps, critic_transform=Adam(lr=0.01), batch_size=256)
        state, batches = game.init(0), game.draw(0, Cloud(256), Streams(0, CPU))
        return peak_memory(lambda: replace(game, recompute=recompute).play(state, batches))

    kept, again = ({k: peak(k, recompute) for k in (1, 4, 16)} for recompute in (False, True))
    assert again[16] < 0.5 * kept[16]
    assert kept[16] - kept[4] > 3 * (kept[4] - kept[1])  # 12 moves against 3
    assert again[16] - again[4] < 2.5 * (again[4] - again[1])  # from 4 to 8 lengths against from 2 to 4
