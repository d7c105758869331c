"""Rounds as CUDA graphs: what the host would launch kernel by kernel is launched at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_leaves, tree_unflatten

from gan_cli.data.download import one_line
from gan_cli.types import Play, Round, State, Trace

Leaves = list[Tensor]
Body = Callable[[Leaves], Leaves]

WARM_UP = 3
"""How often a kind of round is played as usual before it is captured: libraries choose their kernels then."""
log = logging.getLogger(__name__)


class Recording:
    """A function's kernels, recorded once for tensors that stay where they are."""

    def __init__(self, body: Body, at: Leaves):
        usual, stream = torch.cuda.current_stream(at[0].device), torch.cuda.Stream(at[0].device)
        stream.wait_stream(usual)
        with torch.cuda.stream(stream):
            body(at)
        usual.wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        try:
            # Other threads' calls are none of the graph's: one evaluates and copies states meanwhile.
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self.result = body(at)
        finally:
            torch.cuda.set_stream(usual)  # which a capture that fails may leave behind

    def replay(self) -> None:
        """Do it again with what now lies in the tensors; the results lie where they did."""
        self._graph.replay()


@dataclass
class _Kind:
    """One kind of round: trees and shapes. recording: None until it has been played often enough."""

    like: tuple[TreeSpec, list[Any]]
    played: int = 0
    recording: Any = None
    inputs: Leaves = field(default_factory=list)
    result: TreeSpec | None = None


class Captured:
    """`play` by CUDA graphs, one for each kind of round: terms that act at intervals make several.

    A graph reads and writes the same memory each time. So a round's state and batches are copied there, and
    its results copied out: states stay values that nothing changes. What a graph computes is held against
    the round as it is usually played before it is used; where the two differ, or a round cannot be captured,
    rounds go on as usual, and the log says so.

    record: makes a recording; Recording, but for tests.
    """

    def __init__(self, play: Play, record: Callable[[Body, Leaves], Any] = Recording):
        self._play, self._record = play, record
        self._kinds: list[_Kind] = []
        self._off = False

    def __call__(self, state: State, batches: Round) -> tuple[State, dict[str, Trace]]:
        if self._off:
            return self._play(state, batches)
        leaves, shape = tree_flatten((state, batches))
        kind = self._kind((shape, [(x.shape, x.dtype, x.device) for x in leaves]))
        if kind.recording is None:
            kind.played += 1
            played = self._play(state, batches)
            if kind.played > WARM_UP:
                self._capture(kind, leaves, played)
            return played
        torch._foreach_copy_(kind.inputs, leaves)
        kind.recording.replay()
        assert kind.result is not None
        after: tuple[State, dict[str, Trace]] = tree_unflatten(_copies(kind.recording.result), kind.result)
        return after

    def _kind(self, like: tuple[TreeSpec, list[Any]]) -> _Kind:
        for kind in self._kinds:
            if kind.like == like:
                return kind
        self._kinds.append(_Kind(like))
        return self._kinds[-1]

    def _capture(self, kind: _Kind, leaves: Leaves, played: tuple[State, dict[str, Trace]]) -> None:
        kind.result = tree_flatten(played)[1]
        shape = kind.like[0]

        def body(inputs: Leaves) -> Leaves:
            return tree_flatten(self._play(*tree_unflatten(inputs, shape)))[0]

        try:
            kind.inputs = _copies(leaves)
            recording = self._record(body, list(kind.inputs))
            recording.replay()
            # Losses, norms, scores; parameters whose gradient is rounding noise move either way under Adam.
            _, traces = tree_unflatten(recording.result, kind.result)
            for found, wanted in zip(tree_leaves(traces), tree_leaves(played[1]), strict=True):
                torch.testing.assert_close(found, wanted, rtol=1e-2, atol=1e-4, equal_nan=True)
        except (RuntimeError, AssertionError) as error:
            self._off = True
            log.warning("runtime.cuda_graph: rounds are not captured: %s", one_line(error))
        else:
            kind.recording = recording


def _copies(tensors: Sequence[Tensor]) -> Leaves:
    """Each tensor anew, laid out as it is."""
    fresh = [torch.empty_like(x) for x in tensors]
    torch._foreach_copy_(fresh, list(tensors))
    return fresh
