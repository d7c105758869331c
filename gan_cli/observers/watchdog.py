"""The watchdog: stops a run whose numbers are no longer finite, and names what went bad first.

A round is a pure function of (state, batches), and batches are one of the step. So nothing has to be looked
at closely while all is well: the watchdog looks at four numbers a step and keeps a state from before, and
when one of the numbers is bad it draws and plays the rounds since again and looks at everything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gan_cli import checkpoint
from gan_cli.errors import RunError
from gan_cli.learner import Learner
from gan_cli.observers.base import Observer, Run
from gan_cli.observers.logfile import LOGGER
from gan_cli.types import Round, State, Trace

_ROUNDS = 50
"""How many rounds lie between two checks: a look at four numbers costs a hundredth of a round of small
networks, and makes a GPU wait."""

Numbers = dict[str, tuple[Tensor, Tensor]]
"""Each player's loss and gradient norm in one round, each []."""


@dataclass
class _Tape:
    """The state before some rounds, and each round's batches, None where they are to be drawn again."""

    state: State | None = None
    rounds: list[Round | None] = field(default_factory=list)

    def add(self, state: State, batches: Round | None) -> None:
        if self.state is None:
            self.state = state
        self.rounds.append(batches)


class Watchdog(Observer):
    """Checks losses and gradient norms, of up to 50 rounds at once, and before the host reads anything.

    `stop` raises RunError with one line that names the first bad term or tensor and its step; `warn` logs
    that line once for each new cause and lets the run go on; `off` looks at nothing. `cause` is the last.
    settle: brings what is still being written to the disk, so that the last checkpoint can be named.
    rounds: how many lie at most between two checks.
    """

    def __init__(self, settle: Callable[[], None] = lambda: None, rounds: int = _ROUNDS) -> None:
        self.cause: str | None = None
        self._settle, self._rounds = settle, rounds
        self._seen: set[str] = set()
        self._numbers: list[Numbers] = []
        self._older, self._tape = _Tape(), _Tape()

    def start(self, run: Run, state: State) -> None:
        self._run = run
        settings = run.settings
        self._off = settings.watchdog == "off"
        # A check comes before anything else that is due, so that nothing bad is ever written.
        self._due = settings.intervals

    def before(self, step: int, state: State, batches: Round) -> None:
        if self._off:
            return
        # Kept batches cost time: each round then works in memory that no cache holds.
        self._tape.add(state, batches if self._run.redraw is None else None)

    def after(self, step: int, state: State, traces: dict[str, Trace]) -> None:
        if self._off:
            return
        self._numbers.append({player: (trace.loss, trace.gradient_norm) for player, trace in traces.items()})
        if len(self._numbers) >= self._rounds or any(self._run.due(every, step) for every in self._due):
            self._check(step, state, traces)

    def _check(self, step: int, state: State, traces: dict[str, Trace]) -> None:
        looked_at, self._numbers = self._numbers, []
        bad = _bad(looked_at)
        if not bad and self._run.due(self._run.settings.checkpoint_every, step):
            bad = checkpoint.first_nonfinite(state) or ""  # no later loss may come to tell of it
        if bad and bad not in self._seen:
            self._seen.add(bad)
            self._report(step, traces)
        # What a good check has passed may still be the cause of the next bad one: a finite gradient can
        # lead to parameters that are not. So one span more than the last is kept.
        self._older, self._tape = self._tape, _Tape()

    def _report(self, step: int, traces: dict[str, Trace]) -> None:
        number, what = self._find(step) or (step, _in_traces(traces))
        if what is None or what in self._seen:
            return
        self._seen.add(what)
        self.cause = f"step {number}: {what}"
        if self._run.settings.watchdog == "warn":
            LOGGER.warning("%s", self.cause)
            return
        self._settle()
        good = [n for n, _ in checkpoint.listed(self._run.folder)]
        kept = (
            f"the last good checkpoint is that of step {good[-1]}" if good else "there is no checkpoint yet"
        )
        raise RunError(f"{self.cause}; {kept}")

    def _find(self, step: int) -> tuple[int, str | None] | None:
        """Play the kept rounds again; the first step and thing that is not finite, or None if all is finite.

        Nothing (None in the second place) is to be named where a state is bad from a cause already named.
        """
        rounds = self._older.rounds + self._tape.rounds
        state = self._older.state if self._older.state is not None else self._tape.state
        for number, batches in enumerate(rounds, start=step - len(rounds) + 1):
            assert state is not None  # a tape with rounds has one
            if batches is None and self._run.redraw is not None:
                batches = self._run.redraw(number - 1)
            if (name := checkpoint.first_nonfinite(state)) is not None:
                return number, None if self.cause else f"{name} is not finite before the step"
            if found := examine(self._run.learner, state, batches):
                return number, found
            state, _ = self._run.learner.play(state, batches)
        return None


def examine(learner: Learner, state: State, batches: Round) -> str | None:
    """The first thing that is not finite when one round is played from a state, in words; None if all is.

    The round is played to its first move, then to its second, …: a critic's moves are seen one by one.
    """
    beginnings = learner.beginnings(batches)
    moves = len(beginnings)
    for move, beginning in enumerate(beginnings, start=1):
        after, traces = learner.play(state, beginning)
        where = f" in critic move {move} of {moves}" if moves > 1 else ""
        players = ("critic",) if move < moves else tuple(traces)
        for player in players:
            if found := _in_move(player, traces[player], after):
                return found + (where if player == "critic" else "")
    return None


def _in_traces(traces: dict[str, Trace]) -> str:
    found = (_in_trace(player, trace) for player, trace in traces.items())
    return next(filter(None, found), "a gradient norm is not finite")


def _in_trace(player: str, trace: Trace) -> str | None:
    """The first bad number of a move, in the order in which they are computed."""
    for scores, what in ((trace.real, "real"), (trace.fake, "generated")):
        if word := _word(scores):
            return f"the critic's score of {what} examples in the {player}'s move is {word}"
    for name, part in trace.parts.items():
        if word := _word(part):
            return f"{player} loss is {word}" if name == "main" else f"{player} term '{name}' is {word}"
    if word := _word(trace.loss):
        return f"{player} loss is {word}"
    return None


def _in_move(player: str, trace: Trace, after: State) -> str | None:
    if found := _in_trace(player, trace):
        return found
    values = {name: t for name, t in checkpoint.named(after) if name.startswith(f"{player}/")}
    bad = {name: word for name, t in values.items() if (word := _word(t))}
    if word := _word(trace.gradient_norm):
        params, bad_params = (
            [n for n in names if n.startswith(f"{player}/params/")] for names in (values, bad)
        )
        # A step on the whole gradient, as clipping by its norm, spreads what is bad: then no tensor is named.
        if 0 < len(bad_params) < len(params):
            return f"gradient of {bad_params[0].replace('/params/', '/')} is {word}"
        return f"gradient norm of {player} is {word}"
    for name, word in bad.items():
        return f"{name} is {word} after the update, from a finite gradient"
    return None


def _bad(rounds: list[Numbers]) -> str:
    """The names of losses and gradient norms that are not finite, joined; empty if all are finite."""
    moves = [move for numbers in rounds for move in numbers.items()]
    finite = torch.stack([number for _, both in moves for number in both]).isfinite()
    if bool(finite.all()):
        return ""
    names = [f"{player} {what}" for player, _ in moves for what in ("loss", "gradient")]
    return ",".join(sorted({name for name, good in zip(names, finite.tolist(), strict=True) if not good}))


def _word(value: Tensor) -> str | None:
    """The word "nan", "inf" or "-inf" if the tensor holds such, the first of these; else None."""
    if not value.is_floating_point() or bool(value.isfinite().all()):
        return None
    if bool(value.isnan().any()):
        return "nan"
    return "inf" if bool(value.isposinf().any()) else "-inf"
