"""One round of the game: who moves when, from where, and what the generator sees of the critic's moves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from gan_cli.calculus import norm
from gan_cli.checks import nonnegative
from gan_cli.objectives import Examples, Side, at, of_critic, of_generator
from gan_cli.transforms.base import apply
from gan_cli.types import Batch, Buffers, GameRound, GameState, Params, Player, Trace

if TYPE_CHECKING:
    from gan_cli.game import Game

Traces = dict[str, Trace]


@dataclass(frozen=True)
class Unrolled:
    """Let the generator see the critic `steps` moves ahead (Metz et al. 2017, section 2.2).

    θ_G descends f(θ_G, θ_D^K(θ_G)), with the gradient through all K moves of the critic's own optimiser. They
    go on from a copy of its state where the ordinary generator meets it, on one fixed batch; K = 0 is the
    ordinary game. recompute: keep only every ⌈√K⌉-th of the K states and compute the moves between them once
    more for the gradient, so that memory grows as √K for a third more time. Raises ValueError for steps < 0.
    """

    steps: int = 5
    recompute: bool = False

    def __post_init__(self) -> None:
        nonnegative(steps=self.steps)


class Order(Protocol):
    """The order of a round's last moves, one of each player's."""

    def play(self, game: Game, state: GameState, batches: GameRound) -> tuple[GameState, Traces]:
        """Both moves, with the round's last critic batch."""
        ...


@dataclass(frozen=True)
class Alternating:
    """The critic moves, then the generator against the moved critic (Goodfellow et al. 2014, algorithm 1)."""

    def play(self, game: Game, state: GameState, batches: GameRound) -> tuple[GameState, Traces]:
        return _both(game, state, state, batches, meets_moved=True)


@dataclass(frozen=True)
class Simultaneous:
    """Both players move at once, each against the other as it was before (Nagarajan & Kolter 2017)."""

    def play(self, game: Game, state: GameState, batches: GameRound) -> tuple[GameState, Traces]:
        return _both(game, state, state, batches, meets_moved=False)


@dataclass(frozen=True)
class Extragradient:
    """Both players look one simultaneous move ahead and move by the gradients found there.

    ω' = ω − ηF(ω), then ω ← ω − ηF(ω') (Korpelevich 1976), each step by the player's own optimiser, whose
    memory takes in both gradients: with Adam this is ExtraAdam (Gidel et al. 2019, algorithm 4). Both steps
    start from ω, which is where weight decay and weight clipping act, and see the same batch (Mishchenko et
    al. 2020); buffers and terms remember the second alone.
    """

    def play(self, game: Game, state: GameState, batches: GameRound) -> tuple[GameState, Traces]:
        ahead, _ = _both(game, state, state, batches, meets_moved=False)
        there = GameState(_at(state.generator, ahead.generator), _at(state.critic, ahead.critic), state.step)
        return _both(game, there, state, batches, meets_moved=False)


@torch.no_grad()
def play(game: Game, state: GameState, batches: GameRound) -> tuple[GameState, Traces]:
    """One round: a critic's move for each critic batch, one of the generator's; pure, without host sync."""
    critic = critic_moves(game, state, batches.critic[:-1])
    return game.order.play(game, GameState(state.generator, critic, state.step), batches)


@torch.no_grad()
def critic_moves(game: Game, state: GameState, batches: Sequence[Batch]) -> Player:
    """The critic after a move for each batch, against a generator that stands still."""
    critic = state.critic
    for batch in batches:
        fake, _ = game.generate(state.generator, batch.latent)
        seen = game.seen(game.prepared(batch), fake, batch, state.step)
        critic, _ = critic_move(game, critic, state.generator, seen, batch)
    return critic


def critic_move(
    game: Game,
    player: Player,
    generator: Player,
    seen: Examples,
    batch: Batch,
    base: Params | None = None,
) -> tuple[Player, Trace]:
    """One optimiser step of the critic from `base`, by default where it stands; differentiable if need be."""

    def objective(params: Params) -> tuple[Tensor, Any]:
        total, trace, buffers = of_critic(game, at(player, params), generator, seen, batch)
        return total, (trace, buffers)

    gradients, _, (trace, buffers) = game.calculus.gradient(objective, player.params)
    base = player.params if base is None else base
    return advance(game.critic, player, gradients, buffers, game.calculus.whole(trace), base)


def advance(
    side: Side, player: Player, gradients: Params, buffers: Buffers, trace: Trace, base: Params
) -> tuple[Player, Trace]:
    """The player after its optimiser's step from `base`, and the trace with the gradient's norm."""
    updates, memory = side.transform.update(gradients, player.memory, base)
    params = apply(base, updates)
    terms = tuple(
        term.update(m, params, trace.real, trace.fake)
        for term, m in zip(side.terms, player.terms, strict=True)
    )
    # The trace not by _replace, of which torch 2.11 makes no compiled graph.
    traced = Trace(trace.loss, trace.parts, norm(gradients).detach(), trace.real, trace.fake)
    return Player(params, buffers, memory, terms), traced


def _both(
    game: Game, state: GameState, base: GameState, batches: GameRound, meets_moved: bool
) -> tuple[GameState, dict[str, Trace]]:
    """Both players' moves from `base` by their gradients at `state`."""
    last, own = batches.critic[-1], batches.generator
    real = game.prepared(last)  # once: the generator's batch has the same real examples

    def objective(theta: Params) -> tuple[Tensor, Any]:
        # One pass of the generator serves both players: to the critic's move its result is a constant.
        player = at(state.generator, theta)
        fake, buffers = game.generate(player, last.latent)
        with torch.no_grad():
            seen = game.seen(real, fake.detach(), last, state.step)
            moved, critics = critic_move(game, state.critic, state.generator, seen, last, base.critic.params)
        seen = game.seen(real, fake, own, state.step)
        rival = _ahead(game, moved if meets_moved else state.critic, player, seen, own)
        total, trace = of_generator(game, player, rival, seen, own)
        return total, (buffers, trace, moved, critics)

    gradients, _, (buffers, trace, critic, critics) = game.calculus.gradient(
        objective, state.generator.params
    )
    trace = game.calculus.whole(trace)
    generator, trace = advance(
        game.generator, state.generator, gradients, buffers, trace, base.generator.params
    )
    return GameState(generator, critic, state.step + 1), {"critic": critics, "generator": trace}


def _ahead(game: Game, rival: Player, generator: Player, seen: Examples, batch: Batch) -> Player:
    """The critic after game.unroll further moves on one fixed batch; the real critic keeps none of it."""
    # The generator as it stands: no term that may look ahead looks at its parameters.
    standing = at(generator, {k: p.detach() for k, p in generator.params.items()})
    given = (standing, seen, batch)
    segment = math.ceil(math.sqrt(game.unroll)) if game.recompute else game.unroll

    def moves(start: tuple[Player, tuple[Player, Examples, Batch]], count: int) -> Player:
        after: Player = game.calculus.repeated(game.ahead, *start, count)
        return after

    for done in range(0, game.unroll, max(1, segment)):
        some = partial(moves, count=min(segment, game.unroll - done))
        inputs = (rival, given)
        found = game.calculus.recomputed(some, inputs) if game.recompute else some(inputs)
        rival = still(found)
    return rival


def still(player: Player) -> Player:
    """The player whose buffers carry no derivative: what moves are repeated by sees all as if it did."""
    buffers = {k: b.detach() for k, b in player.buffers.items()}
    return Player(player.params, buffers, player.memory, player.terms)


def _at(player: Player, ahead: Player) -> Player:
    """The player where it looked to, with its optimiser's memory of that look."""
    return Player(ahead.params, player.buffers, ahead.memory, player.terms)
