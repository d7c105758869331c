"""A game whose batches are shared by several processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from gan_cli import dynamics
from gan_cli.errors import InputError
from gan_cli.game import Game, Side
from gan_cli.learner import Source, plain
from gan_cli.parallel import collectives
from gan_cli.parallel.batch_norm import compared_with_all, mixing, running, synchronised
from gan_cli.parallel.calculus import DataParallel
from gan_cli.parallel.ranks import Ranks
from gan_cli.streams import Streams
from gan_cli.types import Batch, GameRound, GameState, Play, Player, Trace, Tree

Statistics = Literal["sync", "ghost"]


@dataclass(frozen=True)
class SharedGame(Game):
    """The same game as one process plays with the whole batch, on one's own rows of it.

    `batch_size` is that of the whole batch. Its source hands out the process's own rows.
    """

    ranks: Ranks = field(default_factory=Ranks)

    def draw(self, step: int, feed: Source, streams: Streams) -> GameRound:
        """The process's own rows of round `step`: noise is drawn for all, as one process draws it."""
        shapes = Shapes(feed, self.batch_size, self.ranks.rows(self.batch_size))
        drawn = super().draw(step, shapes, streams)
        critic = tuple(
            self._own(batch)._replace(real=real) for batch, real in zip(drawn.critic, shapes.own, strict=True)
        )
        return GameRound(critic, self._own(drawn.generator)._replace(real=shapes.own[-1]))

    def _own(self, batch: Batch) -> Batch:
        examples, packs = self.batch_size, self.batch_size // self.packing
        return Batch(
            batch.real,
            *(own_rows(self.ranks, t, examples) for t in (batch.latent, batch.view_real, batch.view_fake)),
            *(own_rows(self.ranks, t, packs) for t in (batch.critic_terms, batch.generator_terms)),
        )


def own_rows(ranks: Ranks, tree: Tree, size: int) -> Tree:
    """The process's own rows of each tensor that has as many as the batch; any other is for all of them."""
    mine = ranks.rows(size)
    # A copy, or the whole batch's memory would stay.
    return tree_map_only(Tensor, lambda t: t[mine].clone() if t.ndim and len(t) == size else t, tree)


def ghost(game: Game) -> Play:
    """Rounds in which BatchNorm knows the process's own rows alone (Hoffer et al. 2017, algorithm 1).

    Its running statistics, which training does not look at, are averaged over the processes after each.
    """

    def play(state: GameState, batches: GameRound) -> tuple[GameState, dict[str, Trace]]:
        after, traces = dynamics.play(game, state, batches)
        generator = _averaged(after.generator, game.generator)
        return GameState(generator, _averaged(after.critic, game.critic), after.step), traces

    return play


class Shapes:
    """Whole batches in shape alone, of which it keeps the process's own rows."""

    def __init__(self, feed: Source, size: int, rows: slice):
        self._feed, self._size, self._rows = feed, size, rows
        self.own: list[Tensor] = []

    def batch(self, number: int) -> Tensor:
        own = self._feed.batch(number)
        self.own.append(own)
        return own[:1].expand(self._size, *own.shape[1:])

    def labels(self, number: int) -> Tensor:
        own = self._feed.labels(number)
        whole = own.new_zeros(self._size, *own.shape[1:])
        whole[self._rows] = own
        return whole


@torch.no_grad()
def _averaged(player: Player, side: Side) -> Player:
    names = running(side.network.module)
    if not names:
        return player
    means = collectives.mean([player.buffers[name] for name in names])
    return Player(
        player.params, player.buffers | dict(zip(names, means, strict=True)), player.memory, player.terms
    )


def shared(game: Game, ranks: Ranks, runtime: Mapping[str, Any]) -> Game:
    """The game as these processes play it together. Raises InputError for what cannot be shared."""
    statistics: Statistics = runtime["batch_norm"]
    refuse_compiled(ranks.count, runtime)
    for reason in _refused(game, ranks.count, statistics):
        raise InputError(reason)

    def ready(network: nn.Module) -> nn.Module:
        network = compared_with_all(network)
        return synchronised(network) if statistics == "sync" else network

    changes: dict[str, Any] = {
        name: replace(side, network=side.network.changed(ready)) for name, side in _sides(game)
    }
    changes |= {"calculus": DataParallel(game.calculus), "driver": plain if statistics == "sync" else ghost}
    known = {one.name: getattr(game, one.name) for one in fields(Game)}
    return SharedGame(**(known | changes), ranks=ranks)


def refuse_compiled(count: int, runtime: Mapping[str, Any]) -> None:
    """Raise InputError where rounds are to be compiled."""
    if runtime["compile"] == "on":
        raise InputError(
            f"runtime.compile=on: a compiled round holds no exchange between the {count} processes of "
            "torchrun; use runtime.compile=off"
        )


def uneven(size: int, count: int, packing: int = 1) -> Iterator[str]:
    """Why so many processes cannot share a batch evenly."""
    unit = count * packing
    if size % unit:
        packs = f" in packs of {packing}" if packing > 1 else ""
        near = max(1, round(size / unit)) * unit
        yield f"batch_size={size}: {count} processes cannot share it evenly{packs}; use {near}"


def _sides(game: Game) -> list[tuple[str, Side]]:
    return [("generator", game.generator), ("critic", game.critic)]


def _refused(game: Game, count: int, statistics: Statistics) -> Iterator[str]:
    """Why these processes cannot play the game that one process plays."""
    size = game.batch_size
    yield from uneven(size, count, game.packing)
    for name, side in _sides(game):
        module = side.network.module
        own = size // count // (game.packing if name == "critic" else 1)
        if statistics == "ghost" and own < 2 and running(module):
            yield (
                f"runtime.batch_norm=ghost: the {name}'s BatchNorm has {own} example of a batch on each of "
                f"{count} processes; use runtime.batch_norm=sync or a larger batch_size"
            )
        for layer in mixing(module):
            yield (
                f"model.{name}: {layer} compares the examples of a batch, of which each of {count} processes "
                "sees its own rows alone; run it in one process"
            )
