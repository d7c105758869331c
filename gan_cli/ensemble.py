"""Many runs of one learner in one process: a round over states and batches with a leading axis of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from gan_cli.calculus import functional
from gan_cli.learner import Learner, Source
from gan_cli.leaves import distinct, first_places
from gan_cli.lifting import rebuilt
from gan_cli.streams import Streams
from gan_cli.types import Round, State, Trace, Tree


def stack(trees: Sequence[Tree]) -> Tree:
    """Trees of the same shape as one, each tensor with a leading axis: S × [..] -> [S, ..].

    >>> stack([{"a": torch.tensor(1)}, {"a": torch.tensor(2)}])
    {'a': tensor([1, 2])}
    """
    return _stack(trees, None)


def unstack(tree: Tree, run: int) -> Tree:
    """One run's tree out of a stacked one.

    >>> unstack({"a": torch.tensor([1, 2])}, 1)
    {'a': tensor(2)}
    """
    return _inner(tree, lambda inner: unstack(inner, run)) if not isinstance(tree, Tensor) else tree[run]


L = TypeVar("L", bound=Learner)


class Ensemble(Generic[L]):
    """S runs of one game, each with the data, the numbers and, where given, the floats that it has alone.

    floats: [S, H] float64, the values of `lifted(game)` for each run; without them all have the game's own.
    `play` is the game's own round under vmap; compiled, it is one graph, which takes up to a minute or two to
    make where many moves are unrolled and then runs several times as fast. Numbers agree with a run alone to
    rounding; those of one run are bitwise the same whatever the others of an ensemble of that size are.
    graphs: where compiled ones are kept, for several ensembles of games of one form and of one size.
    """

    def __init__(
        self,
        game: L,
        compiled: bool = False,
        floats: Tensor | None = None,
        graphs: Graphs | None = None,
    ):
        self.game: L = game.under(functional)
        self._floats = floats
        self._compiled = compiled
        self._graphs: Graphs = {} if graphs is None else graphs

    def init(self, seeds: Sequence[int], device: torch.device | str = "cpu") -> State:
        """The runs' states before the first round, stacked."""
        state: State = stack([self.game.init(seed, device) for seed in seeds])
        return state

    def draw(self, step: int, feeds: Sequence[Source], streams: Sequence[Streams]) -> Round:
        """The data and randomness of round `step`, each run's from its own feed and streams, stacked."""
        drawn = [self.game.draw(step, f, s) for f, s in zip(feeds, streams, strict=True)]
        stacked: Round = _stack(
            drawn, {}
        )  # both players' batches hold the same latents: they are stacked once
        return stacked

    @torch.no_grad()
    def play(self, state: State, batches: Round) -> tuple[State, dict[str, Trace]]:
        """One round of every run; see `Game.play`."""
        inputs = (state, batches) if self._floats is None else (state, batches, self._floats)
        if not self._compiled:
            played: tuple[State, dict[str, Trace]] = torch.vmap(self._one)(*inputs)
            return played
        # A graph for each shape of a round: terms that act at intervals draw at some of them only.
        leaves, spec = tree_flatten(inputs)
        which = first_places(leaves)  # a graph's inputs may not be one tensor twice
        if (spec, which) not in self._graphs:
            self._graphs[spec, which] = _Graph(torch.vmap(self._one), leaves, spec, which)
        result: tuple[State, dict[str, Trace]] = self._graphs[spec, which](leaves)
        return result

    def sample(self, state: State, latent: Tensor) -> Tensor:
        """Each run's examples from its own latents: [S, B, Z] -> [S, B, …]."""
        samples: Tensor = torch.vmap(self.game.sample)(state, latent)
        return samples

    def _one(self, state: State, batches: Round, *floats: Tensor) -> tuple[State, dict[str, Trace]]:
        game: L = rebuilt(self.game, floats[0].unbind()) if floats else self.game
        return game.round(state, batches)


class _Graph:
    """A function of a tree of tensors as one compiled graph of those in it.

    It is traced with tensors and not by reading its Python, so that whatever runs under vmap can be compiled.
    which: for each leaf its number among the distinct ones.
    """

    def __init__(
        self, function: Callable[..., Any], leaves: Sequence[Tensor], spec: TreeSpec, which: Sequence[int]
    ):
        self._which = which
        self._shape: TreeSpec | None = None

        def flat(*inputs: Tensor) -> list[Tensor]:
            every = [inputs[i] for i in self._which]
            results, self._shape = tree_flatten(function(*tree_unflatten(every, spec)))
            return results

        graph = make_fx(flat)(*distinct(leaves, which))
        self._run: Callable[..., Any] = torch.compile(graph, fullgraph=True, dynamic=False)

    def __call__(self, leaves: Sequence[Tensor]) -> Any:
        assert self._shape is not None  # known since it was traced
        return tree_unflatten(list(self._run(*distinct(leaves, self._which))), self._shape)


Graphs = dict[tuple[TreeSpec, tuple[int, ...]], _Graph]


def _stack(trees: Sequence[Tree], done: dict[int, Tensor] | None) -> Tree:
    """The stacked tree; with `done`, what is one tensor in several places is stacked once."""
    first = trees[0]
    if isinstance(first, Tensor):
        if done is None:
            return torch.stack(list(trees))
        if id(first) not in done:
            done[id(first)] = torch.stack(list(trees))
        return done[id(first)]
    if isinstance(first, dict):
        return {key: _stack([tree[key] for tree in trees], done) for key in first}
    return _like(first, [_stack(parts, done) for parts in zip(*trees, strict=True)])


def _inner(tree: Tree, do: Callable[[Tree], Tree]) -> Tree:
    if isinstance(tree, dict):
        return {key: do(inner) for key, inner in tree.items()}
    return _like(tree, [do(inner) for inner in tree])


def _like(tree: Tree, parts: list[Tree]) -> Tree:
    return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
