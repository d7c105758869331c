"""What each player minimises, as a function of its parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from gan_cli.network import Network
from gan_cli.terms.base import Scene, Term
from gan_cli.transforms.base import Transform
from gan_cli.types import Batch, Buffers, Noise, Params, Player, Rest, Score, Trace

if TYPE_CHECKING:
    from gan_cli.game import Game


class Examples(NamedTuple):
    """One move's real and generated examples as the critic sees them, and the step: [B, …], [B, …], []."""

    real: Tensor
    fake: Tensor
    step: Tensor


@dataclass(frozen=True)
class Side:
    """One player's fixed half of the game: network, optimiser and the terms added to its loss.

    plays_for_loss: False where the terms stand instead of the loss.
    """

    network: Network
    transform: Transform
    terms: tuple[Term, ...] = ()
    plays_for_loss: bool = True


def at(player: Player, params: Params) -> Player:
    """The same player with other parameters."""
    return Player(params, player.buffers, player.memory, player.terms)


def of_critic(
    game: Game, player: Player, generator: Player, seen: Examples, batch: Batch
) -> tuple[Tensor, Trace, Buffers]:
    """The critic's loss, E[Loss.critic] plus its terms, the trace, and its buffers after.

    Real and generated examples pass one after the other, so that each batch has its own statistics.
    """
    network = game.critic.network
    real, buffers = network(player.params, player.buffers, seen.real)
    fake, buffers = network(player.params, buffers, seen.fake)

    def energy(params: Params) -> Tensor:
        return field_energy(game, generator, at(player, params), seen, batch)

    scene = _scene(game, player.params, player, seen, real, fake, energy)
    parts = {"main": game.loss.critic(real, fake).mean()}
    return *_total(parts, game.critic, scene, player, batch.critic_terms), buffers


def of_generator(
    game: Game, player: Player, rival: Player, seen: Examples, batch: Batch
) -> tuple[Tensor, Trace]:
    """The generator's loss against a rival: E of Loss.generator, plus its terms; the trace.

    In a zero-sum game the rival that looks ahead answers for the whole value, real examples included: f(θ_G,
    θ_D^K(θ_G)) of Metz et al. 2017, section 2.2, whose first part depends on θ_G through θ_D^K alone.
    """
    network, loss = game.critic.network, game.loss
    whole = loss.zero_sum and game.unroll > 0
    fake = network(rival.params, rival.buffers, seen.fake)[0]
    real = (
        network(rival.params, rival.buffers, seen.real)[0]
        if (loss.paired or whole) and game.generator.plays_for_loss
        else fake.new_zeros(0)
    )

    def energy(params: Params) -> Tensor:
        return field_energy(game, at(player, params), rival, seen, batch)

    scene = _scene(game, player.params, rival, seen, real, fake, energy)
    parts = {}
    if game.generator.plays_for_loss:
        parts["main"] = (-loss.critic(real, fake) if whole else loss.generator(real, fake)).mean()
    return _total(parts, game.generator, scene, player, batch.generator_terms)


def field_energy(game: Game, generator: Player, critic: Player, seen: Examples, batch: Batch) -> Tensor:
    """½‖v‖², [], of v = (∇_G E[Loss.generator], ∇_C E[Loss.critic]), the players' losses without terms.

    The field of a simultaneous round, with the real examples and the noise of the move (Mescheder et al.
    2017, section 4).
    """
    network = game.critic.network

    def scores(g: Params, c: Params) -> tuple[Score, Score]:
        fake, _ = game.generate(at(generator, g), batch.latent)
        seen_fake = game.through_views(fake, batch.view_fake, seen.step)
        return network(c, critic.buffers, seen.real)[0], network(c, critic.buffers, seen_fake)[0]

    def generators(g: Params) -> tuple[Tensor, tuple[()]]:
        return game.loss.generator(*scores(g, critic.params)).mean(), ()

    def critics(c: Params) -> tuple[Tensor, tuple[()]]:
        return game.loss.critic(*scores(generator.params, c)).mean(), ()

    field = [
        *game.calculus.gradient(generators, generator.params)[0].values(),
        *game.calculus.gradient(critics, critic.params)[0].values(),
    ]
    return 0.5 * torch.stack([g.square().sum() for g in field]).sum()


def _scene(
    game: Game,
    params: Params,
    critic: Player,
    seen: Examples,
    real: Score,
    fake: Score,
    energy: Callable[[Params], Tensor],
) -> Scene:
    network, phi, buffers = game.critic.network, critic.params, critic.buffers
    return Scene(
        params=params,
        real=seen.real,
        fake=seen.fake,
        real_score=real,
        fake_score=fake,
        score=lambda x: network(phi, buffers, x)[0],
        features=lambda x, layer: network.features(phi, buffers, x, layer),
        energy=energy,
        calculus=game.calculus,
        step=seen.step,
    )


def _total(
    parts: dict[str, Tensor], side: Side, scene: Scene, player: Player, drawn: tuple[Noise, ...]
) -> tuple[Tensor, Trace]:
    dtype = scene.fake_score.dtype  # which a weight that is a tensor of an ensemble's may have widened
    parts = {name: value.to(dtype) for name, value in parts.items()}
    summands = list(parts.values())
    for term, memory, noise in zip(side.terms, player.terms, drawn, strict=True):
        if isinstance(noise, Rest):
            continue
        value = term.value(scene, memory, noise)
        if value is not None:
            parts[term.name] = value.to(dtype)
            summands.append(term.every * parts[term.name])
    total = torch.stack(summands).sum() if len(summands) != 1 else summands[0]
    # The gradient's norm is known only to whoever takes the gradient of the total.
    return total, Trace(total, parts, total.new_zeros(()), scene.real_score, scene.fake_score)
