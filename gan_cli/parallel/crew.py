"""A run's processes from their meeting to their parting: a common start, a common stop, a common end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from threading import Event, Thread
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore

from gan_cli import checkpoint
from gan_cli.errors import GanTrainError, InputError, RunError
from gan_cli.parallel.board import Board, Failure, board
from gan_cli.parallel.collectives import Lost
from gan_cli.parallel.ranks import Ranks
from gan_cli.types import State

TIMEOUT = timedelta(hours=1)
"""How long the others wait for the first process, where more is due than its thread has written."""
_GRACE, _LOOK, _WORD, _SILENCE = 20.0, 2.0, 3.0, 300.0
"""Seconds: until a stuck process is ended, between two looks at the board, for a failure to be told, and
until a process that gives no sign of life counts as gone."""
_STOPPED = "it was stopped at once"


def ranked(device: torch.device, ranks: Ranks) -> torch.device:
    """The process's own GPU, where there are several processes. Raises InputError where there are too few."""
    if ranks.count == 1 or device.type != "cuda":
        return device
    if (there := torch.cuda.device_count()) < ranks.beside:
        raise InputError(
            f"--nproc-per-node={ranks.beside}: this machine has {there} GPU{'s' * (there != 1)}; use "
            f"{there}, or device=cpu"
        )
    return torch.device("cuda", ranks.local)


class Crew:
    """What the processes do together around the training loop; alone, each of these is the identity."""

    def __init__(self, ranks: Ranks, device: torch.device):
        self._ranks, self._device = ranks, device

    def same_start(self, state: State, step: int) -> tuple[State, int]:
        """The first process's state and step, on all of them."""
        if self._ranks.count == 1:
            return state, step
        sent: list[Any] = [(checkpoint.flatten(state), step) if self._ranks.leads else None]
        dist.broadcast_object_list(sent, src=0, device=self._device)
        tensors, step = sent[0]
        return checkpoint.restore(state, tensors), step

    @contextmanager
    def one_first(self, name: str) -> Iterator[None]:
        """Let one process of each machine through the block before the others: what it makes, they find."""
        if self._ranks.count == 1:
            yield
            return
        key = f"first/{name}/{self._ranks.node}"
        if self._ranks.local:
            board(self._ranks).wait(key)
        yield
        board(self._ranks).post(key, "through")

    def agreed(self, stop: Callable[[], bool]) -> Callable[[], bool]:
        """Whether any process is to stop, said to all after the same step."""
        return stop if self._ranks.count == 1 else _Agreed(stop, self._device)


class _Agreed:
    """Asks all processes about once a second, so that steps in between cost nothing.

    How many steps that is they find by the slowest one's pace, and so all ask at the same step.
    """

    def __init__(self, stop: Callable[[], bool], device: torch.device):
        self._stop, self._device = stop, device
        self._steps, self._left, self._began = 1, 0, time.monotonic()

    def __call__(self) -> bool:
        if self._left:
            self._left -= 1
            return False
        now = time.monotonic()
        pace = (now - self._began) / self._steps
        said = torch.tensor([float(self._stop()), pace], dtype=torch.float64, device=self._device)
        try:
            dist.all_reduce(said, dist.ReduceOp.MAX)
        except RuntimeError as error:
            raise Lost from error
        stop, pace = said.tolist()
        # At most twice as many as before: the first steps are slower than those to come.
        self._steps = max(1, min(2 * self._steps, int(1 / max(pace, 1e-6))))
        self._left, self._began = self._steps - 1, time.monotonic()
        return bool(stop)


@contextmanager
def joined(ranks: Ranks, device: torch.device) -> Iterator[Crew]:
    """The processes of the launch, this one on `device`; the block ends for all together or fails for all.

    The first process raises RunError with the line of whichever failed first.
    """
    if ranks.count == 1:
        yield Crew(ranks, device)
        return
    notes = board(ranks)
    try:
        with _watched(ranks, notes):
            notes.meet("start")
            _connect(ranks, device, notes)
            yield Crew(ranks, device)
            notes.part()
        dist.destroy_process_group()
    except KeyboardInterrupt:  # the others may wait where no closed connection tells them
        with suppress(Lost):
            notes.fail(_STOPPED)
        raise
    except Exception as error:
        if not ranks.leads or (isinstance(error, GanTrainError) and not isinstance(error, Lost)):
            raise
        failure = _told(notes)
        if failure is None and isinstance(error, dist.DistError):
            raise Lost from error
        if failure is None:
            raise
        if failure.line == _STOPPED:  # by a second signal, which torchrun hands on as another one
            raise KeyboardInterrupt from error
        raise RunError(f"process {failure.rank}: {failure.line}") from _Remote(failure.trace)


class _Remote(Exception):
    """The traceback of another process, as the cause of an error here."""


def _connect(ranks: Ranks, device: torch.device, notes: Board) -> None:
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group(
        "nccl" if cuda else "gloo",
        store=PrefixStore("group", notes.store),
        rank=ranks.rank,
        world_size=ranks.count,
        timeout=TIMEOUT,
        device_id=device if cuda else None,
    )


def _told(notes: Board) -> Failure | None:
    """Another process's failure, for which there is a moment's time: one that was killed says nothing."""
    until = time.monotonic() + _WORD
    try:
        while (failure := notes.failure()) is None and time.monotonic() < until:
            time.sleep(0.1)
    except Lost:
        return None
    return failure


@contextmanager
def _watched(ranks: Ranks, notes: Board) -> Iterator[None]:
    """End this process if another fails and it does not notice, stuck in an exchange with it or elsewhere."""
    done = Event()

    def watch() -> None:
        failure = _failure(ranks, notes, done)
        if failure is not None and not done.wait(_GRACE):
            if ranks.leads:
                sys.stderr.write(f"gan-train: process {failure.rank}: {failure.line}\n")
                sys.stderr.flush()
            os._exit(1)

    Thread(target=watch, name="others", daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _failure(ranks: Ranks, notes: Board, done: Event) -> Failure | None:
    """The first failure, None where all is over before there is one.

    Each process watches the next one's signs of life, for a machine may vanish without a word.
    """
    beat, seen, last = 0, None, time.monotonic()
    while not done.wait(_LOOK):
        beat += 1
        try:
            sign, now = notes.beat(beat), time.monotonic()
            if sign != seen:
                seen, last = sign, now
            elif now - last > _SILENCE:
                notes.fail(f"process {(ranks.rank + 1) % ranks.count} gives no sign of life")
            if (failure := notes.failure()) is not None:
                return failure
        except Lost as error:
            return None if done.is_set() else Failure(ranks.rank, str(error), "")
    return None
