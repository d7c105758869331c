"""One round of the game: the critic's moves, then the generator's, with unrolling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gan_cli.calculus import norm
from gan_cli.transforms.base import apply
from gan_cli.types import Batch, Params, Player, Round, State, Trace

if TYPE_CHECKING:
    from gan_cli.game import Examples, Game, Side


@dataclass(frozen=True)
class Unrolled:
    """Let the generator see the critic `steps` moves ahead (Metz et al. 2017, eq. 7–10).

    θ_G descends f(θ_G, θ_D^K(θ_G)), with the gradient through all K moves of the critic's own optimiser,
    from a copy of its state, on one fixed batch; K = 0 is the ordinary game. Raises ValueError
    for steps < 0.
    """

    steps: int = 5

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"steps must be at least 0, got {self.steps}")


@torch.no_grad()
def play(game: Game, state: State, batches: Round) -> tuple[State, dict[str, Trace]]:
    """One round: a critic's move for each critic batch, one of the generator's; pure, without host sync."""
    critic = state.critic
    for batch in batches.critic:
        seen, _ = game.examples(state.generator.params, state, batch)
        critic, critic_trace, slope = critic_move(game, critic, seen, batch)
    critic_trace = critic_trace._replace(gradient_norm=norm(slope))
    generator, generator_trace = generator_move(game, state, critic, batches.generator)
    return State(generator, critic, state.step + 1), {"critic": critic_trace, "generator": generator_trace}


def critic_move(game: Game, player: Player, seen: Examples, batch: Batch) -> tuple[Player, Trace, Params]:
    """One optimiser step of the critic, and its gradient; differentiable where gradients are enabled."""

    def objective(params: Params) -> tuple[Tensor, Any]:
        total, trace, buffers = game.critic_objective(params, player, seen, batch)
        return total, (trace, buffers)

    gradients, _, (trace, buffers) = game.calculus.gradient(objective, player.params)
    return _advance(game.critic, player, gradients, buffers), trace, gradients


def generator_move(game: Game, state: State, critic: Player, batch: Batch) -> tuple[Player, Trace]:
    """One optimiser step of the generator against the critic that it provokes `unroll` moves ahead."""

    def objective(theta: Params) -> tuple[Tensor, Any]:
        seen, buffers = game.examples(theta, state, batch)
        rival = critic
        for _ in range(game.unroll):  # on one fixed batch; the real critic keeps none of it
            rival, *_ = critic_move(game, rival, seen, batch)
        total, trace = game.generator_objective(theta, state.generator, rival, seen, batch)
        return total, (trace, buffers)

    gradients, _, (trace, buffers) = game.calculus.gradient(objective, state.generator.params)
    return _advance(game.generator, state.generator, gradients, buffers), trace._replace(
        gradient_norm=norm(gradients)
    )


def _advance(side: Side, player: Player, gradients: Params, buffers: dict[str, Tensor]) -> Player:
    updates, memory = side.transform.update(gradients, player.memory, player.params)
    params = apply(player.params, updates)
    terms = tuple(term.update(m, params) for term, m in zip(side.terms, player.terms, strict=True))
    return Player(params, buffers, memory, terms)
