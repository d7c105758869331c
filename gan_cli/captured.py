"""Rounds as CUDA graphs: what the host would launch kernel by kernel is launched at once."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import (
    KeyPath,
    MappingKey,
    TreeSpec,
    keystr,
    tree_flatten,
    tree_flatten_with_path,
    tree_leaves,
    tree_unflatten,
)

from gan_cli.data.download import one_line
from gan_cli.leaves import distinct, first_places
from gan_cli.types import Play, Round, State, Trace

Leaves = list[Tensor]
Body = Callable[[Leaves], Leaves]
Played = tuple[State, dict[str, Trace]]

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


class _Graph:
    """A recorded round, and the memory that it reads: `inputs` are copied and then stay where they are."""

    def __init__(self, inputs: Leaves, body: Callable[[Leaves], Played], record: Callable[..., Any]):
        self._reads = _by_dtype(inputs)
        self._inputs = _copies(inputs, self._reads)
        spec: list[TreeSpec] = []

        def flat(at: Leaves) -> Leaves:
            results, shape = tree_flatten(body(at))
            spec[:] = [shape]
            return results

        self._recording = record(flat, list(self._inputs))
        self._spec = spec[0]
        self._writes = _by_dtype(self._recording.result)

    def __call__(self, inputs: Leaves) -> Played:
        _copy(self._inputs, inputs, self._reads)
        self._recording.replay()
        after: Played = tree_unflatten(_copies(self._recording.result, self._writes), self._spec)
        return after


class Captured:
    """`play` by CUDA graphs, one for each kind of round: terms that act at intervals make several.

    A graph reads and writes the same memory each time. So a round's state and batches are copied there, and
    its results copied out: states stay values that nothing changes. A graph is used once it has played a
    round that it was not recorded from as that round is usually played; where the two differ, or a round
    cannot be captured, rounds go on as usual, and the log says so.

    record: makes a recording; Recording, but for tests.
    """

    def __init__(self, play: Play, record: Callable[[Body, Leaves], Any] = Recording):
        self._play, self._record = play, record
        self._played: Counter[Hashable] = Counter()
        self._graphs: dict[Hashable, _Graph] = {}
        self._off = False

    def __call__(self, state: State, batches: Round) -> Played:
        if self._off:
            return self._play(state, batches)
        held, inner = tree_flatten(state)
        drawn, outer = tree_flatten(batches)
        places = first_places(drawn)  # both players' batches hold the same examples and latents
        inputs = [*held, *distinct(drawn, places)]
        kind = (inner, outer, places, tuple((x.shape, x.dtype, x.device) for x in inputs))
        if kind in self._graphs and self._played[kind] > WARM_UP:
            return self._graphs[kind](inputs)

        def body(at: Leaves) -> Played:
            rest = at[len(held) :]
            every = [rest[place] for place in places]
            return self._play(tree_unflatten(at[: len(held)], inner), tree_unflatten(every, outer))

        played = self._play(state, batches)
        self._played[kind] += 1
        try:
            if self._played[kind] == WARM_UP:
                self._graphs[kind] = _Graph(inputs, body, self._record)
            elif self._played[kind] > WARM_UP:
                _hold_against(self._graphs[kind](inputs), played, state)
        except (RuntimeError, AssertionError) as error:
            # What one kind fails by, such as a read on the host, the others nearly always share.
            self._off = True
            self._graphs.clear()
            log.warning("runtime.cuda_graph: rounds are not captured: %s", one_line(error))
        return played


def _hold_against(found: Played, wanted: Played, before: State) -> None:
    """Raise AssertionError where a graph's round is not the usual one.

    Kernels that add in any order leave noise, and Adam makes whole steps of a gradient that is nothing else.
    So of a state each dict's change, taken as one vector, is to be the usual one to a fifth of its norm.
    """
    for x, y in zip(tree_leaves(found[1]), tree_leaves(wanted[1]), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-2, atol=1e-4, equal_nan=True)
    news, usuals, olds = _parts(found[0]), _parts(wanted[0]), _parts(before)
    for name, usual in usuals.items():
        change = torch.linalg.vector_norm(usual - olds[name])
        noise = 0.2 * change + 1e-6 * torch.linalg.vector_norm(usual)
        if not torch.linalg.vector_norm(news[name] - usual) <= noise:
            raise AssertionError(f"{name[0]} is not close to what a usual round leaves")


def _parts(state: State) -> dict[tuple[str, torch.dtype], Tensor]:
    """The state's dicts, by dtype, and single tensors, each as one vector."""
    found: dict[tuple[str, torch.dtype], Leaves] = {}
    for path, leaf in tree_flatten_with_path(state)[0]:
        found.setdefault((_name(path), leaf.dtype), []).append(leaf.flatten())
    return {
        key: torch.cat(leaves).to(torch.promote_types(key[1], torch.float32)) for key, leaves in found.items()
    }


def _name(path: KeyPath) -> str:
    return keystr(path[:-1] if isinstance(path[-1], MappingKey) else path)


def _by_dtype(tensors: Sequence[Tensor]) -> list[list[int]]:
    """The places of tensors of one dtype each: only such are copied by one kernel."""
    found: dict[torch.dtype, list[int]] = {}
    for place, tensor in enumerate(tensors):
        found.setdefault(tensor.dtype, []).append(place)
    return list(found.values())


def _copy(into: Leaves, tensors: Leaves, groups: Sequence[Sequence[int]]) -> None:
    for places in groups:
        torch._foreach_copy_([into[i] for i in places], [tensors[i] for i in places])


def _copies(tensors: Leaves, groups: Sequence[Sequence[int]]) -> Leaves:
    """Each tensor anew, laid out as it is."""
    fresh = [torch.empty_like(x) for x in tensors]
    _copy(fresh, tensors, groups)
    return fresh
