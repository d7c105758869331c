"""The runs of one chunk: one ensemble of games of one form, and how its rounds are played."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch

from gan_cli import checkpoint
from gan_cli.build import Experiment
from gan_cli.captured import Captured
from gan_cli.cli.pruning import Pruning
from gan_cli.ensemble import Ensemble, Graphs, stack, unstack
from gan_cli.launchers.ensemble_feeds import Feeds
from gan_cli.lifting import lifted
from gan_cli.observers.base import Outcome
from gan_cli.runtime import captures, prepare
from gan_cli.streams import Streams
from gan_cli.types import Play, Round, State, Trace


@dataclass
class Member:
    """One job of a chunk: what it trains, where, and how it came out.

    rules: by which it may end early; slot: its place in the ensemble.
    """

    job: int
    experiment: Experiment
    folder: Path
    resume: bool = False
    rules: Sequence[Pruning] = ()
    slot: int = 0
    start: int = 0
    notes: list[str] = field(default_factory=list)
    outcome: Outcome | None = None
    failure: Exception | None = None

    def begin(self) -> State:
        """Its state before the first round that it is to play: of its last good checkpoint if it goes on."""
        state = self.experiment.plain.init(self.experiment.seed, self.experiment.device)
        if not self.resume:
            return state
        found, skipped = checkpoint.latest_good(self.folder)
        self.notes = [f"{line}; going back to the one before" for line in skipped]
        if found is None:
            self.notes.append("there is no whole checkpoint: starting from step 0")
            return state
        self.start = found.step
        return checkpoint.restore(state, found.tensors)


class Played(NamedTuple):
    """One round of all runs: what went in, and what came out."""

    step: int
    before: State
    batches: Round
    state: State
    traces: dict[str, Trace]


class Chunk:
    """Runs of games of one form at one step, in an ensemble `width` wide; where they are fewer, the first
    ones stand in it again.

    graphs: where the compiled rounds of its form and width are kept; None: they are not compiled. Raises what
    building their states and reading their data raises.
    """

    def __init__(self, members: Sequence[Member], width: int, graphs: Graphs | None):
        self.members = list(members)
        first = members[0].experiment
        self.device = first.device
        prepare(first.runtime, self.device)
        states = []
        for slot, member in enumerate(members):
            member.slot = slot
            states.append(member.begin())
        self.step = members[0].start
        slots = [i % len(members) for i in range(width)]
        games = [members[i].experiment.plain for i in slots]
        self._streams = [Streams(members[i].experiment.seed, self.device) for i in slots]
        size, moves = games[0].batch_size, games[0].batches_a_round
        feeds = Feeds(first.dataset, size, self._streams, self.device, first.resident_mb, moves)
        self.data, self._sources = feeds.data, feeds.each()
        floats = [list(lifted(game).values.values()) for game in games]
        values = torch.tensor(floats, dtype=torch.float64, device=self.device)
        self._ensemble = Ensemble(games[0], graphs is not None, values, graphs)
        self._play: Play = self._ensemble.play
        if captures(first.runtime, self.device):
            self._play = Captured(self._play)
        self._state: State = stack([states[i] for i in slots])

    def state(self, member: Member) -> State:
        """A member's present state."""
        own: State = unstack(self._state, member.slot)
        return own

    def play(self) -> Played:
        """The next round."""
        played = self._played()
        self.step, self._state = played.step, played.state
        return played

    def rehearse(self) -> None:
        """Play a round and forget it: then it is known that it can be played side by side, and compiled.

        Raises whatever that raises, and TypeError where a round changes the shape or type of a tensor.
        """
        before, after = (dict(checkpoint.named(s)) for s in (self._state, self._played().state))
        for name, tensor in before.items():
            if (tensor.shape, tensor.dtype) != (after[name].shape, after[name].dtype):
                raise TypeError(f"{name} becomes {after[name].dtype} {list(after[name].shape)}")

    def _played(self) -> Played:
        batches = self._ensemble.draw(self.step, self._sources, self._streams)
        state, traces = self._play(self._state, batches)
        return Played(self.step + 1, self._state, batches, state, traces)
