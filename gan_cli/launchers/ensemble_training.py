"""Training the runs of one chunk side by side, each watched and kept as if it were alone.

A run's observers are told of the steps at which something of theirs is due, of the step before each, and of
those at which its numbers are no longer finite: at all others they would do nothing. So a run's own tensors
are taken out of the stacked ones at these steps only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from gan_cli.ensemble import unstack
from gan_cli.launchers.ensemble_bar import Bar
from gan_cli.launchers.ensemble_chunk import Chunk, Member, Played
from gan_cli.launchers.ensemble_voices import kept_open, listening, speaking
from gan_cli.observers.base import Observer, Outcome, Run, finish
from gan_cli.observers.defaults import default_observers
from gan_cli.run import described

_BETWEEN_LOOKS = {"cpu": 1, "cuda": 16}
"""Rounds from one look at whether all numbers are finite to the next: each makes a GPU's host wait."""


class Schedule(NamedTuple):
    """When something is due in a run."""

    every: tuple[int, ...]
    steps: int

    def due(self, step: int) -> bool:
        """Whether something is due at the step or at the next."""
        return any(s == self.steps or any(n and s % n == 0 for n in self.every) for s in (step, step + 1))


class _Watched:
    """A member, its observers, and the last step that they were told of."""

    def __init__(self, member: Member, chunk: Chunk):
        self.member, self.told = member, member.start
        settings = member.experiment.settings
        self.stops = settings.watchdog != "off"
        self.schedule = Schedule(settings.intervals, member.experiment.steps)
        self.run: Run = described(member.experiment, member.folder, chunk.data, member.start, member.notes)
        self.observers: Sequence[Observer] = default_observers(self.run, alone=False, then=member.rules)

    def start(self, chunk: Chunk) -> None:
        with listening(self.member.job):
            for observer in self.observers:
                observer.start(self.run, chunk.state(self.member))

    def tell(self, rounds: Sequence[Played]) -> None:
        """Tell of these steps, but for those of which they were told."""
        for played in (one for one in rounds if one.step > self.told):
            self.told = played.step
            before, batches, state, traces = (unstack(tree, self.member.slot) for tree in played[1:])
            for observer in self.observers:
                observer.before(played.step, before, batches)
            for observer in self.observers:
                observer.after(played.step, state, traces)


class Training:
    """One chunk's training; `ended` is told of each member as soon as its outcome is known."""

    def __init__(self, chunk: Chunk, ended: Callable[[Member], None]):
        self._chunk, self._ended = chunk, ended
        self._live = [_Watched(member, chunk) for member in chunk.members if member.failure is None]

    def run(self, stop: Callable[[], bool]) -> None:
        """Train until all have taken their steps or have failed, or `stop` says so.

        A member that fails changes nothing for the others; what fails in the round that they share fails
        them all. What interrupts the process ends them as failed, and is raised.
        """
        with kept_open():
            try:
                for one in list(self._live):
                    self._guarded(one, partial(one.start, self._chunk))
                self._rounds(stop)
            except Exception as error:  # noqa: BLE001 - each member tells it as its own
                self._end(self._live, "failed", error)
            except BaseException:
                for one in self._live:
                    finish(one.observers, self._chunk.step, self._chunk.state(one.member), "failed")
                raise
            self._end(self._live, "stopped")

    def _rounds(self, stop: Callable[[], bool]) -> None:
        watch = _Watch(_BETWEEN_LOOKS[self._chunk.device.type])
        self._end_finished()
        longest = max((one.schedule.steps for one in self._live), default=0)
        with Bar(longest, self._chunk.step) as bar:
            while self._live and not stop():
                self._round(watch)
                bar.show(self._chunk.step, len(self._live))

    def _round(self, watch: _Watch) -> None:
        played = self._chunk.play()
        schedules = {one.schedule: one.schedule.due(played.step) for one in self._live}
        bad = watch.look(played, now=any(schedules.values()))
        for one in [one for one in self._live if schedules[one.schedule] or one.member.slot in bad]:
            rounds = bad.get(one.member.slot, ()) if one.stops else ()
            more = [played] if schedules[one.schedule] else []
            self._guarded(one, partial(one.tell, [*rounds, *more]))
        self._end_finished()
        self._end([one for one in self._live if any(rule.pruned for rule in one.member.rules)], "stopped")

    def _guarded(self, one: _Watched, do: Callable[[], None]) -> None:
        """Do something of one member's; an error ends that member alone."""
        try:
            with speaking(one.member.job):
                do()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            self._end([one], "failed", error)

    def _end_finished(self) -> None:
        self._end([one for one in self._live if one.schedule.steps <= self._chunk.step], "done")

    def _end(self, those: Sequence[_Watched], outcome: Outcome, error: Exception | None = None) -> None:
        for one in list(those):
            self._live.remove(one)
            member = one.member
            with speaking(member.job):
                errors = finish(one.observers, self._chunk.step, self._chunk.state(member), outcome)
            member.failure = error or next(iter(errors), None)
            member.outcome = outcome if member.failure is None else "failed"
            self._ended(member)


class _Watch:
    """Looks at the losses and gradient norms of all runs at once, those of several rounds in one transfer."""

    def __init__(self, between: int):
        self._between = between
        self._rounds: list[Played] = []
        self._finite: list[Tensor] = []
        self._last: Played | None = None

    def look(self, played: Played, now: bool) -> dict[int, tuple[Played, ...]]:
        """By slot, for each run with a number that is not finite: the round before the first such one, from
        which its cause may stem, and that round. now: look at all rounds so far, however few."""
        numbers = [n for trace in played.traces.values() for n in (trace.loss, trace.gradient_norm)]
        self._rounds.append(played)
        self._finite.append(torch.stack(numbers).isfinite().all(0))
        if len(self._rounds) < self._between and not now:
            return {}
        finite, rounds = torch.stack(self._finite), self._rounds
        found: dict[int, tuple[Played, ...]] = {}
        if not bool(finite.all()):
            for slot, column in enumerate(finite.T.tolist()):
                if not all(column):
                    first = column.index(False)
                    before = rounds[first - 1] if first else self._last
                    found[slot] = (rounds[first],) if before is None else (before, rounds[first])
        self._last, self._rounds, self._finite = rounds[-1], [], []
        return found
