"""Compiled rounds: one graph of the whole round, or one of the move that a generator sees repeated."""

from __future__ import annotations

import logging
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch._dynamo.exc import TorchDynamoException
from torch.autograd.function import once_differentiable
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from gan_cli.calculus import Eager, Objective, functional
from gan_cli.data.download import one_line
from gan_cli.errors import RunError
from gan_cli.learner import Learner
from gan_cli.leaves import laid_out
from gan_cli.types import Params, Play, Round, State, Trace, Tree

log = logging.getLogger(__name__)
Leaves = Sequence[Tensor]
Move = Callable[[Tree, Tree], Tree]


def compiled(learner: Learner) -> Play:
    """Whole rounds as one graph, after a first one that compiles for tens of seconds; equal to rounding.

    The learner's calculus must be `functional`: a compiled graph cannot be differentiated twice from outside.
    """

    def play(state: State, batches: Round) -> tuple[State, dict[str, Trace]]:
        return learner.round(state, batches)

    fused: Play = torch.compile(_own(play), fullgraph=True, dynamic=False)
    return fused


class Rehearsed:
    """Compiled rounds, and `usual` ones from where the compiler fails, which the log says.

    strict: raise RunError there instead. A compiler may be there and not work, and rounds of a new kind are
    compiled on their way: every round is watched.
    """

    def __init__(self, fast: Play, usual: Play, strict: bool):
        self._play, self._usual, self._strict = fast, usual, strict
        log.info("rounds are compiled: the first of each kind takes seconds to a minute")

    def __call__(self, state: State, batches: Round) -> tuple[State, dict[str, Trace]]:
        try:
            return self._play(state, batches)
        except TorchDynamoException as error:
            said = one_line(error)
            if self._strict:
                raise RunError(f"runtime.compile=on: the round cannot be compiled: {said}") from error
            log.warning("runtime.compile=auto: rounds are not compiled: %s", said)
        self._play = self._usual
        return self._play(state, batches)


class CompiledMoves(Eager):
    """The eager calculus, but a move that is repeated is compiled once, and its derivative too.

    The loop over the moves stays in Python, so that compiling takes the same time for any number of them. A
    move's own gradient is taken inside of what is compiled, by torch.func. On the way back each move is made
    again: of K moves K states are kept, and nothing of what led from one to the next.
    """

    def __init__(self) -> None:
        self._known: list[_Compiled] = []

    def gradient(self, function: Objective, at: Params) -> tuple[Params, Tensor, Any]:
        if torch.compiler.is_compiling():
            return functional.gradient(function, at)
        return super().gradient(function, at)

    def input_gradient(self, function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
        if torch.compiler.is_compiling():
            return functional.input_gradient(function, at)
        return super().input_gradient(function, at)

    def repeated(self, move: Move, at: Tree, given: Tree, times: int) -> Tree:
        (start, shape), (fixed, around) = tree_flatten(at), tree_flatten(given)
        like = (shape, around, _kinds(start), _kinds(fixed))
        for known in self._known:
            if known.move == move and known.like == like:  # a method equals itself, of one game alone
                compiled = known
                break
        else:
            compiled = _Compiled(move, like)
            self._known.append(compiled)
        return tree_unflatten(_Repeated.apply(compiled, times, *start, *fixed), shape)


@dataclass
class _Compiled:
    """A move and the pullback of its derivative, compiled for trees of one kind."""

    move: Move
    like: tuple[TreeSpec, TreeSpec, list[Any], list[Any]]
    forward: Callable[..., list[Tensor]] = field(init=False)
    pullback: Callable[..., tuple[Tensor, ...]] = field(init=False)

    def __post_init__(self) -> None:
        shape, around, _, kinds = self.like
        free = [wanted for *_, wanted in kinds]

        def forward(start: list[Tensor], fixed: list[Tensor]) -> list[Tensor]:
            return tree_flatten(self.move(tree_unflatten(start, shape), tree_unflatten(fixed, around)))[0]

        def pullback(start: list[Tensor], fixed: list[Tensor], cotangents: list[Tensor]) -> Any:
            reals = [x.is_floating_point() for x in start]

            def of(*inputs: Tensor) -> list[Tensor]:
                given = iter(inputs)
                begin = [next(given) if real else x for x, real in zip(start, reals, strict=True)]
                rest = [next(given) if wanted else x for x, wanted in zip(fixed, free, strict=True)]
                return [x for x in forward(begin, rest) if x.is_floating_point()]

            inputs = [*_chosen(start, reals), *_chosen(fixed, free)]
            return torch.func.vjp(of, *inputs)[1](cotangents)

        self.forward, self.pullback = _compile(forward), _compile(pullback)


def _chosen(leaves: Leaves, which: Sequence[bool]) -> list[Tensor]:
    return [x for x, chosen in zip(leaves, which, strict=True) if chosen]


def _kinds(leaves: Leaves) -> list[Any]:
    """All that a compiled move takes for granted of its inputs."""
    return [(x.shape, x.stride(), x.dtype, x.device, x.requires_grad) for x in leaves]


def _laid_out(leaves: Leaves, like: Leaves) -> list[Tensor]:
    return [laid_out(x, y) for x, y in zip(leaves, like, strict=True)]


def _compile(function: Any) -> Any:
    # Whatever a guard would look at is the same in every call, and looking takes longer than a small move.
    options: dict[str, Any] = {"guard_filter_fn": lambda guards: [False] * len(guards)}
    return torch.compile(_own(function), fullgraph=True, dynamic=False, options=options)


def _own(function: Any) -> Any:
    """The function with a code object of its own, by which the compiler keeps what it has made.

    Else a game would be checked against all earlier ones of the process, of which it knows eight at most, and
    without guards another game's move would be taken for this one's.
    """
    return types.FunctionType(
        function.__code__.replace(), function.__globals__, function.__name__, None, function.__closure__
    )


class _Repeated(torch.autograd.Function):
    """The leaves after so many moves; backward goes through the states that they led through."""

    @staticmethod
    def forward(ctx: Any, compiled: _Compiled, times: int, *leaves: Tensor) -> tuple[Tensor, ...]:
        count = compiled.like[0].num_leaves
        state, ctx.fixed = list(leaves[:count]), list(leaves[count:])
        ctx.compiled, ctx.path = compiled, []
        for _ in range(times):
            ctx.path.append(state)
            state = _laid_out(compiled.forward(state, ctx.fixed), state)
        ctx.mark_non_differentiable(*(x for x in state if not x.is_floating_point()))
        return tuple(state)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: Tensor) -> Any:
        compiled, free = ctx.compiled, [wanted for *_, wanted in ctx.compiled.like[3]]
        reals = [x.is_floating_point() for x in ctx.path[0]]
        flowing, found = _chosen(cotangents, reals), [torch.zeros_like(x) for x in _chosen(ctx.fixed, free)]
        for state in reversed(ctx.path):
            flowing = _laid_out(flowing, _chosen(state, reals))
            pulled = compiled.pullback(state, ctx.fixed, flowing)
            flowing = list(pulled[: len(flowing)])
            found = [old + more for old, more in zip(found, pulled[len(flowing) :], strict=True)]
        starts, fixed = iter(flowing), iter(found)
        of_start = (next(starts) if real else None for real in reals)
        return None, None, *of_start, *(next(fixed) if wanted else None for wanted in free)
