"""A critic trained against a generator that stands still, and the gradient that it would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gan_cli.calculus import norm
from gan_cli.dynamics import critic_moves
from gan_cli.game import Game
from gan_cli.losses.base import Loss
from gan_cli.objectives import at, of_generator
from gan_cli.types import Batch, GameRound, GameState, Params


def critic_round(game: Game, state: GameState, batches: GameRound) -> GameState:
    """A round in which only the critic moves, once a critic batch. `step` counts these rounds."""
    return GameState(state.generator, critic_moves(game, state, batches.critic), state.step + 1)


@torch.no_grad()
def generator_gradient(game: Game, state: GameState, batch: Batch) -> Params:
    """∇_θ of the generator's objective on one batch, against the critic as it stands."""

    def objective(theta: Params) -> tuple[Tensor, tuple[()]]:
        player = at(state.generator, theta)
        fake, _ = game.generate(player, batch.latent)
        seen = game.seen(game.prepared(batch), fake, batch, state.step)
        return of_generator(game, player, state.critic, seen, batch)[0], ()

    return game.calculus.gradient(objective, state.generator.params)[0]


def gradient_size(
    game: Game, state: GameState, batches: Sequence[Batch], loss: Loss
) -> tuple[Tensor, Tensor]:
    """‖ḡ‖ of the mean ḡ of the batches' gradients under `loss`, and √(E‖g − ḡ‖²), one batch's noise: [], [].

    The expectation is over batches, with n − 1 in the denominator; 0 for one batch.
    """
    asked = replace(game, loss=loss)
    each = [generator_gradient(asked, state, batch) for batch in batches]
    mean = {k: torch.stack([g[k] for g in each]).mean(0) for k in each[0]}
    around = torch.stack([norm({k: g[k] - m for k, m in mean.items()}).square() for g in each])
    return norm(mean), (around.sum() / max(1, len(each) - 1)).sqrt()
