"""Many runs of one game in one process: a round over states and batches with a leading axis of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from gan_cli import dynamics
from gan_cli.calculus import functional
from gan_cli.game import Game
from gan_cli.learner import Source
from gan_cli.streams import Streams
from gan_cli.types import Round, State, Trace, Tree


def stack(trees: Sequence[Tree]) -> Tree:
    """Trees of the same shape as one, each tensor with a leading axis: S × [..] -> [S, ..].

    >>> stack([{"a": torch.tensor(1)}, {"a": torch.tensor(2)}])
    {'a': tensor([1, 2])}
    """
    return tree_map(lambda *tensors: torch.stack(tensors), *trees)


def unstack(tree: Tree, run: int) -> Tree:
    """One run's tree out of a stacked one.

    >>> unstack({"a": torch.tensor([1, 2])}, 1)
    {'a': tensor(2)}
    """
    return tree_map(lambda tensor: tensor[run], tree)


class Ensemble:
    """S runs of one game that differ in their seed, each with the data and numbers that it sees alone.

    `play` is the game's own round under vmap; compiled, it is one graph, which takes a minute or two to
    make where many moves are unrolled and then runs several times as fast. Numbers agree with a run alone to
    rounding, and bitwise between ensembles of the same size.
    """

    def __init__(self, game: Game, compiled: bool = False):
        self.game = replace(game, calculus=functional)
        # Not the game's own method: a compiled game's is a graph already, and vmap enters none.
        self._play: Callable[..., Any] = torch.vmap(partial(dynamics.play, self.game))
        if compiled:
            self._play = torch.compile(self._play, fullgraph=True, dynamic=False)

    def init(self, seeds: Sequence[int], device: torch.device | str = "cpu") -> State:
        """The runs' states before the first round, stacked."""
        state: State = stack([self.game.init(seed, device) for seed in seeds])
        return state

    def draw(self, step: int, feeds: Sequence[Source], streams: Sequence[Streams]) -> Round:
        """The data and randomness of round `step`, each run's from its own feed and streams, stacked."""
        drawn: Round = stack([self.game.draw(step, f, s) for f, s in zip(feeds, streams, strict=True)])
        return drawn

    @torch.no_grad()
    def play(self, state: State, batches: Round) -> tuple[State, dict[str, Trace]]:
        """One round of every run; see `Game.play`."""
        played: tuple[State, dict[str, Trace]] = self._play(state, batches)
        return played

    def sample(self, state: State, latent: Tensor) -> Tensor:
        """Each run's examples from its own latents: [S, B, Z] -> [S, B, …]."""
        samples: Tensor = torch.vmap(self.game.sample)(state, latent)
        return samples
