"""The end of a launch: who waits for whom, and what is no second signal."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from threading import Thread

import pytest
import torch
from torch._C._distributed_c10d import HashStore

from gan_cli.cli import stopping
from gan_cli.cli.stopping import Stop
from gan_cli.parallel import board, crew
from gan_cli.parallel.board import Board
from gan_cli.parallel.collectives import Lost
from gan_cli.parallel.ranks import Ranks

Pair = tuple[Board, Board]


@pytest.fixture
def boards(monkeypatch: pytest.MonkeyPatch) -> Pair:
    """The board as the first and the second of two processes see it."""
    store = HashStore()

    def meeting(*_: object, **__: object) -> Iterator[tuple[HashStore, int, int]]:
        yield store, 0, 2

    monkeypatch.setattr(board, "rendezvous", meeting)
    return Board(Ranks(0, 2)), Board(Ranks(1, 2))


def begun(one: Board) -> Thread:
    thread = Thread(target=one.part, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("early", [0, 1])
def test_nobody_leaves_before_all_are_at_their_end(early: int, boards: Pair) -> None:
    first = begun(boards[early])
    first.join(0.5)
    assert first.is_alive()
    second = begun(boards[1 - early])
    for thread in (first, second):
        thread.join(5)
        assert not thread.is_alive()


def test_the_first_process_leaves_last(boards: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    leader, other = boards
    leaving = begun(leader)
    other.meet("end")
    leaving.join(0.5)
    assert leaving.is_alive()
    leader.store.add("left", 1)
    leaving.join(5)
    assert not leaving.is_alive()


def test_the_first_process_does_not_wait_for_one_that_died_at_its_end(
    boards: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "_LAST", 0.3)
    leaving = begun(boards[0])
    boards[1].meet("end")
    leaving.join(5)
    assert not leaving.is_alive()


def test_a_process_at_its_end_hears_of_another_s_failure(boards: Pair) -> None:
    boards[0].fail("it was stopped at once")
    with pytest.raises(Lost, match="it was stopped at once"):
        boards[1].part()


def test_a_process_stopped_at_once_stops_the_first_one_too(
    boards: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no failure: the first one ends as after a second Ctrl-C of its own."""
    monkeypatch.setattr(crew, "_connect", lambda *_: None)
    monkeypatch.setattr(Board, "meet", lambda *_: None)
    for number, error in ((1, KeyboardInterrupt()), (0, Lost())):
        monkeypatch.setattr(crew, "board", lambda _, number=number: boards[number])
        with pytest.raises(KeyboardInterrupt), crew.joined(Ranks(number, 2), torch.device("cpu")):
            raise error


@pytest.mark.parametrize("count", [1, 2])
def test_what_torchrun_hands_on_is_no_second_signal(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(stopping, "here", lambda: Ranks(0, count))
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Stop(quiet=True).installed() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.signal == signal.SIGINT
        now[0] += 0.5
        if count == 2:
            signal.raise_signal(signal.SIGINT)
            now[0] += 5
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
