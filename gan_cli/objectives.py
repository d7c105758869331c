"""What each player minimises, as a function of its parameters."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from gan_cli.network import Network
from gan_cli.terms.base import Averaging, Scene, Term
from gan_cli.transforms.base import Transform
from gan_cli.types import Batch, Buffers, Noise, Params, Player, Rest, Score, Trace

if TYPE_CHECKING:
    from gan_cli.game import Game


class Examples(NamedTuple):
    """One move's real and generated examples as the critic sees them, and the step: [B, …], [B, …], [].

    condition: what both players are told of each row, such as its class, [B, K], alone in a tuple that is
    empty in a game without; packed as the examples are.
    """

    real: Tensor
    fake: Tensor
    step: Tensor
    condition: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class Side:
    """One player's fixed half of the game: network, optimiser and the terms added to its loss.

    plays_for_loss: False where the terms stand instead of the loss.
    """

    network: Network
    transform: Transform
    terms: tuple[Term, ...] = ()
    plays_for_loss: bool = True


def started(name: str, side: Side, seed: int, device: torch.device | str) -> Player:
    """The player of that name before its first move, a function of the seed."""
    digest = hashlib.blake2b(f"{seed}/init/{name}".encode(), digest_size=4).digest()
    params, buffers = side.network.init(int.from_bytes(digest, "little"), device)
    terms = tuple(term.init(params) for term in side.terms)
    return Player(params, buffers, side.transform.init(params), terms)


def drawn_terms(
    side: Side, step: int, generator: torch.Generator, shape: torch.Size, dtype: torch.dtype
) -> tuple[Noise, ...]:
    """What the player's terms draw for round `step`, which is number step + 1; Rest from those it is no
    multiple for."""
    due = [(step + 1) % term.every == 0 for term in side.terms]
    return tuple(
        term.draw(generator, shape, dtype) if now else Rest()
        for term, now in zip(side.terms, due, strict=True)
    )


def averaged(side: Side, player: Player) -> Params:
    """The parameters to sample with: the average that one of the player's terms keeps, or its own."""
    params = player.params
    for term, memory in zip(side.terms, player.terms, strict=True):
        if isinstance(term, Averaging):
            params = term.average(memory)
    return params


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
    real, buffers = network(player.params, player.buffers, seen.real, *seen.condition)
    fake, buffers = network(player.params, buffers, seen.fake, *seen.condition)

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
    fake = network(rival.params, rival.buffers, seen.fake, *seen.condition)[0]
    real = (
        network(rival.params, rival.buffers, seen.real, *seen.condition)[0]
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
        made, _ = game.generate(at(generator, g), batch.latent)
        seen_fake = game.through_views(made, batch.view_fake, seen.step)
        real, fake = (network(c, critic.buffers, x, *seen.condition)[0] for x in (seen.real, seen_fake))
        return real, fake

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
        score=lambda x: network(phi, buffers, x, *seen.condition)[0],
        features=lambda x, layer: network.features(phi, buffers, x, *seen.condition, layer=layer),
        energy=energy,
        calculus=game.calculus,
        step=seen.step,
    )


def _total(
    parts: dict[str, Tensor], side: Side, scene: Scene, player: Player, drawn: tuple[Noise, ...]
) -> tuple[Tensor, Trace]:
    total, parts = summed(parts, side, scene, player, drawn)
    # The gradient's norm is known only to whoever takes the gradient of the total.
    return total, Trace(total, parts, total.new_zeros(()), scene.real_score, scene.fake_score)


def summed(
    parts: dict[str, Tensor], side: Side, scene: Scene, player: Player, drawn: tuple[Noise, ...]
) -> tuple[Tensor, dict[str, Tensor]]:
    """The parts of a player's loss and its terms that act in this move: their sum, and each by name."""
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
    return torch.stack(summands).sum() if len(summands) != 1 else summands[0], parts
