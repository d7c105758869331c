"""One round of the game: the critic's moves, then the generator's, with unrolling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gan_cli.calculus import norm
from gan_cli.checks import nonnegative
from gan_cli.transforms.base import apply
from gan_cli.types import Batch, Params, Player, Round, State, Trace

if TYPE_CHECKING:
    from gan_cli.game import Examples, Game, Side


@dataclass(frozen=True)
class Unrolled:
    """Let the generator see the critic `steps` moves ahead (Metz et al. 2017, eq. 7–10).

    θ_G descends f(θ_G, θ_D^K(θ_G)), with the gradient through all K moves of the critic's own optimiser. They
    go on from a copy of its state after its real move of the round, where the ordinary generator meets it, on
    one fixed batch; K = 0 is the ordinary game. Raises ValueError for steps < 0.
    """

    steps: int = 5

    def __post_init__(self) -> None:
        nonnegative(steps=self.steps)


@torch.no_grad()
def play(game: Game, state: State, batches: Round) -> tuple[State, dict[str, Trace]]:
    """One round: a critic's move for each critic batch, one of the generator's; pure, without host sync."""
    critic = state.critic
    *early, last = batches.critic
    for batch in early:
        fake, _ = game.generate(state.generator.params, state, batch.latent)
        seen = game.seen(game.prepared(batch), fake, batch, state.step)
        critic, _ = critic_move(game, critic, seen, batch)
    real = game.prepared(last)  # once: the generator's batch has the same real examples

    def objective(theta: Params) -> tuple[Tensor, Any]:
        # One pass of the generator serves both players: to the critic's last move its result is a constant.
        fake, buffers = game.generate(theta, state, last.latent)
        with torch.no_grad():
            moved, trace = critic_move(game, critic, game.seen(real, fake.detach(), last, state.step), last)
        seen, rival = game.seen(real, fake, batches.generator, state.step), moved
        for _ in range(game.unroll):  # on one fixed batch; the real critic keeps none of it
            rival, _ = critic_move(game, rival, seen, batches.generator)
        total, own = game.generator_objective(theta, state.generator, rival, seen, batches.generator)
        return total, (buffers, own, moved, trace)

    gradients, _, (buffers, own, critic, critic_trace) = game.calculus.gradient(
        objective, state.generator.params
    )
    generator = _advance(game.generator, state.generator, gradients, buffers)
    traces = {"critic": critic_trace, "generator": _completed(own, norm(gradients))}
    return State(generator, critic, state.step + 1), traces


def critic_move(game: Game, player: Player, seen: Examples, batch: Batch) -> tuple[Player, Trace]:
    """One optimiser step of the critic; differentiable where gradients are enabled."""

    def objective(params: Params) -> tuple[Tensor, Any]:
        total, trace, buffers = game.critic_objective(params, player, seen, batch)
        return total, (trace, buffers)

    gradients, _, (trace, buffers) = game.calculus.gradient(objective, player.params)
    return _advance(game.critic, player, gradients, buffers), _completed(trace, norm(gradients).detach())


def _completed(trace: Trace, gradient_norm: Tensor) -> Trace:
    # Not by _replace, of which torch 2.11 makes no compiled graph.
    return Trace(trace.loss, trace.parts, gradient_norm, trace.real, trace.fake)


def _advance(side: Side, player: Player, gradients: Params, buffers: dict[str, Tensor]) -> Player:
    updates, memory = side.transform.update(gradients, player.memory, player.params)
    params = apply(player.params, updates)
    terms = tuple(term.update(m, params) for term, m in zip(side.terms, player.terms, strict=True))
    return Player(params, buffers, memory, terms)
