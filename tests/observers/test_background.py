"""Observers in a thread: the training goes on, the order stays, and no failure is lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from gan_cli import checkpoint
from gan_cli.errors import RunError
from gan_cli.loop import train
from gan_cli.observers import background
from gan_cli.observers.background import Background, Writer
from gan_cli.observers.base import Observer, Outcome, Run
from gan_cli.observers.defaults import default_observers
from gan_cli.observers.metrics_log import MetricsLog, read
from gan_cli.observers.recorder import Recorder
from gan_cli.observers.watchdog import Watchdog
from gan_cli.types import State, Trace
from tests.observers.test_resume import lines, pictures, records
from tests.observers.toy import Noise, Reals, advance, begin, complete, make_run

SECONDS = 30


class Slow(Observer):
    """Waits at its first due step until it is let go, and notes what it is told."""

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()
        self.told: list[int] = []
        self.outcome: Outcome | None = None

    def after(self, step: int, state: State, traces: dict[str, Trace]) -> None:
        assert int(state.step) == step, "the state of that step"
        self.begun.set()
        assert self.let_go.wait(SECONDS)
        self.told.append(step)

    def finish(self, step: int, state: State, outcome: Outcome) -> None:
        self.outcome = outcome


class Fails(Observer):
    """Fails at a step."""

    def __init__(self, step: int, error: Exception) -> None:
        self._step, self._error = step, error
        self.outcome: Outcome | None = None

    def after(self, step: int, state: State, traces: dict[str, Trace]) -> None:
        if step == self._step:
            raise self._error

    def finish(self, step: int, state: State, outcome: Outcome) -> None:
        self.outcome = outcome


def watched(then: Sequence[Observer], first: Sequence[Observer] = ()) -> Background:
    return Background(Writer(), Recorder([MetricsLog()]), first, then)


def test_the_training_goes_on_while_an_observer_is_busy(tmp_path: Path) -> None:
    """Due are a line at every 5th step, a look at every 10th, 20th and 30th."""
    run, slow = make_run(tmp_path), Slow()
    observer = watched([], first=[slow])
    state = advance(run, begin(run)[1], [observer], 19)
    assert slow.begun.wait(SECONDS)
    assert slow.told == []
    assert [line["step"] for line in read(tmp_path / "metrics.jsonl")] == [5], (
        "step 10's comes after its look"
    )
    slow.let_go.set()
    observer.finish(19, state, "stopped")
    assert slow.told == [10]
    assert slow.outcome == "stopped"
    assert [line["step"] for line in read(tmp_path / "metrics.jsonl")] == [5, 10, 15]


def test_only_so_many_states_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, gate, ready = Writer(), threading.Event(), threading.Event()
    started: list[int] = []

    def job() -> None:
        gate.wait(SECONDS)

    def submit() -> None:
        for number in range(4):
            started.append(number)
            writer.do(job, holds_state=True)
            if len(started) == background.STATES:
                ready.set()

    thread = threading.Thread(target=submit)
    thread.start()
    assert ready.wait(SECONDS)
    thread.join(0.2)
    assert thread.is_alive(), "the third waits for the first"
    assert len(started) == background.STATES + 1
    writer_jobs = [holds for _, holds in writer._pending]
    assert writer_jobs == [True] * background.STATES
    gate.set()
    thread.join(SECONDS)
    assert not thread.is_alive()
    writer.settle()


def test_an_error_is_raised_at_the_next_step_and_nothing_follows_it(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    failing, after = Fails(20, RunError("the disk is full")), Slow()
    after.let_go.set()
    observer = watched([failing, after])
    state = advance(run, begin(run)[1], [observer], 20)
    with pytest.raises(RunError, match="the disk is full"):
        observer._writer.settle()
    with pytest.raises(RunError, match="the disk is full"):
        observer.after(21, state, {})
    with pytest.raises(RunError, match="the disk is full"):
        observer.after(30, state, {})
    assert after.told == [10]
    with pytest.raises(RunError):
        observer.finish(30, state, "stopped")
    assert (failing.outcome, after.outcome) == ("failed", "failed")


@pytest.mark.parametrize("at", [30, 60])
def test_a_run_whose_disk_is_full_fails_wherever_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """At 30 the error comes while the training goes on, at 60 with its last step."""
    run = make_run(tmp_path)
    save = checkpoint.save

    def full(folder: Path, step: int, *more: Any) -> Path:
        if step >= at:
            raise RunError("cannot write to x: the disk is full")
        return save(folder, step, *more)

    monkeypatch.setattr(checkpoint, "save", full)
    state = begin(run)[1]
    with pytest.raises(RunError, match="the disk is full"):
        train(run.learner, Reals(run), state, run, default_observers(run))
    assert json.loads((tmp_path / "summary.json").read_text())["outcome"] == "failed"
    assert [step for step, _ in checkpoint.listed(tmp_path)] == ([20] if at == 30 else [20, 40])


def test_runs_share_a_thread_and_no_failure(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name) for name in ("one", "other")]
    ends = Slow()
    ends.let_go.set()
    observers = [watched([Fails(10, ValueError("bad"))]), watched([ends])]
    with pytest.raises(ValueError, match="bad"):  # at a later step, or at the end
        observers[0].finish(15, advance(runs[0], begin(runs[0])[1], [observers[0]], 15), "stopped")
    observers[1].finish(15, advance(runs[1], begin(runs[1])[1], [observers[1]], 15), "stopped")
    assert ends.told == [10]
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("observers")]
    assert len(names) == 1


def test_an_interrupt_leaves_undone_what_has_not_begun(tmp_path: Path) -> None:
    run, slow = make_run(tmp_path), Slow()
    observer = watched([slow])
    state = advance(run, begin(run)[1], [observer], 20)  # two jobs: one has begun, one waits
    threading.Timer(0.3, slow.let_go.set).start()
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        observer.finish(20, state, "failed")
    assert slow.told == [10]


def test_what_the_training_is_surrounded_by_surrounds_its_observers() -> None:
    place: ContextVar[str] = ContextVar("place", default="nowhere")
    writer, found = Writer(), []
    place.set("here")
    writer.do(lambda: found.append(place.get()), holds_state=False)
    writer.settle()
    assert found == ["here"]


def unthreaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do each job where it is handed over."""

    def at_once(self: Writer, job: Callable[..., None], *arguments: Any, holds_state: bool) -> None:
        job(*arguments)

    monkeypatch.setattr(Writer, "do", at_once)


@pytest.mark.parametrize("images", [False, True])
def test_the_thread_changes_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: bool) -> None:
    dataset = Noise() if images else None
    inside, outside = (make_run(tmp_path / name, dataset) for name in ("inside", "outside"))
    complete(inside)
    with monkeypatch.context() as patch:
        unthreaded(patch)
        complete(outside)
    assert lines(inside.folder) == lines(outside.folder)
    assert records(inside.folder) == records(outside.folder)
    assert pictures(inside.folder) == pictures(outside.folder)
    assert [path.name for _, path in checkpoint.listed(inside.folder)] == [
        path.name for _, path in checkpoint.listed(outside.folder)
    ], "names are digests of the bytes"


def test_the_watchdog_waits_before_it_names_the_last_checkpoint(tmp_path: Path) -> None:
    run: Run = make_run(tmp_path)
    writer, done = Writer(), []
    writer.do(lambda: done.append(1), holds_state=False)
    watchdog = Watchdog(writer.settle)
    state = begin(run)[1]
    watchdog.start(run, state)
    state.critic.params["w"][0] = float("nan")
    batches = run.learner.draw(1, Reals(run), run.streams)
    watchdog.before(5, state, batches)
    after, traces = run.learner.play(state, batches)
    with pytest.raises(RunError):
        watchdog.after(5, after, traces)
    assert done == [1]
