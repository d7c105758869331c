"""What mathematics forbids, with the reason and the fix."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gan_cli.dynamics import Extragradient
from gan_cli.errors import InputError
from gan_cli.game import Game
from gan_cli.terms.feature_matching import FeatureMatching
from gan_cli.transforms.base import placed
from gan_cli.transforms.optimistic import Optimistic
from gan_cli.tricks import Tricks


def check(game: Game) -> None:
    """Raise InputError for the first rule that the game breaks."""
    for rule in RULES:
        for reason in rule(game):
            raise InputError(reason)


def check_alone(name: str, trick: Tricks) -> None:
    """Raise InputError for a trick that a model of one player has no use for."""
    terms = [t for t in trick.terms if t.side == "generator" and getattr(t, "of_parameters", False)]
    transforms = [t for t in trick.transforms if "generator" in placed(t).sides]
    if not terms and not transforms:
        raise InputError(
            f"trick={name}: it is for games of two players, and this model has one; leave it out"
        )


def _no_draws_of_its_own(game: Game) -> Iterator[str]:
    for name, side in (("critic", game.critic), ("generator", game.generator)):
        if side.network.draws:
            yield (
                f"model.{name}: it holds Dropout, which draws numbers of its own inside a round; "
                "a round must depend on nothing but its inputs, or no run could be resumed"
            )


def _enough_to_normalise(game: Game) -> Iterator[str]:
    sizes = {"critic": game.batch_size // game.packing, "generator": game.batch_size}
    for name, side in (("critic", game.critic), ("generator", game.generator)):
        if side.network.mixes_batch and sizes[name] < 2:
            yield (
                f"batch_size={game.batch_size}: the {name} compares the examples of a batch; "
                f"use at least {2 * game.batch_size // max(sizes[name], 1)}"
            )


def _whole_packs(game: Game) -> Iterator[str]:
    if game.batch_size % game.packing:
        near = max(1, round(game.batch_size / game.packing)) * game.packing
        yield f"batch_size={game.batch_size}: no multiple of trick.packing.samples={game.packing}; use {near}"


def _penalties_example_by_example(game: Game) -> Iterator[str]:
    for term in (*game.critic.terms, *game.generator.terms):
        if term.per_sample and game.critic.network.mixes_batch:
            yield (
                f"trick={term.name}: it takes the critic's gradient example by example, but in this critic "
                "(BatchNorm, minibatch discrimination) a score depends on the whole batch; "
                "use model.critic.norm=layer (or none) and no minibatch discrimination"
            )


def _one_way_to_look_ahead(game: Game) -> Iterator[str]:
    chains = (side.transform for side in (game.critic, game.generator))
    links = [link for chain in chains for link in getattr(chain, "transforms", (chain,))]
    if isinstance(game.order, Extragradient) and any(isinstance(link, Optimistic) for link in links):
        yield (
            "trick=[extragradient,optimistic]: the optimistic step is the extragradient's with the past "
            "gradient for the one ahead; keep one of the two"
        )


def _consensus_of_the_game_played(game: Game) -> Iterator[str]:
    terms = (*game.critic.terms, *game.generator.terms)
    if game.unroll and any(term.name == "consensus" for term in terms):
        yield (
            "trick=[consensus,unrolled]: consensus shrinks the gradient field of the game that both players "
            "play, but an unrolled generator follows another one; keep one of the two"
        )


def _consensus_of_losses(game: Game) -> Iterator[str]:
    if not game.generator.plays_for_loss and any(t.name == "consensus" for t in game.generator.terms):
        yield (
            "trick=[consensus,feature_matching]: consensus shrinks the gradient field of both losses, but a "
            "generator that matches features alone has none; use trick.feature_matching.alone=false"
        )


def _layers_that_are_there(game: Game) -> Iterator[str]:
    depth = game.critic.network.depth
    for term in game.generator.terms:
        if isinstance(term, FeatureMatching) and not -depth <= term.layer < depth:
            fix = f"use {-depth} to {depth - 1}" if depth else "leave the trick out"
            yield f"trick.feature_matching.layer={term.layer}: this critic has {depth} such layers; {fix}"


RULES: tuple[Callable[[Game], Iterator[str]], ...] = (
    _no_draws_of_its_own,
    _whole_packs,
    _enough_to_normalise,
    _penalties_example_by_example,
    _one_way_to_look_ahead,
    _consensus_of_the_game_played,
    _consensus_of_losses,
    _layers_that_are_there,
)
