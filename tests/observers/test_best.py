"""`keep_best`: the state of the best evaluation stays, whatever kills the run on its way."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_cli import checkpoint, files
from gan_cli.data.synthetic import Ring
from gan_cli.metrics.base import Direction
from gan_cli.observers import evaluation
from gan_cli.observers.base import Run, Settings
from gan_cli.observers.checkpoints import BestCheckpoint, Checkpoints
from gan_cli.observers.evaluation import Evaluation
from gan_cli.observers.metrics_log import MetricsLog
from gan_cli.observers.recorder import Recorder
from gan_cli.types import GameState
from tests.observers.scripted import EVERY, Scripted
from tests.observers.toy import advance, begin, make_run

STEPS = 30


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Evaluations of a few points, and a disk that nobody waits for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "POINTS", 20)
        patch.setattr(os, "fsync", lambda file: None)
        yield


def scripted(folder: Path, values: list[float], better: Direction = "higher") -> Run:
    asked = Settings(0, 0, 5, EVERY, 2, keep_best="score")
    return make_run(
        folder,
        Ring(),
        steps=STEPS,
        settings=asked,
        metrics={"scripted": Scripted(values, better)},
        config={"batch_size": 16, "metric": {"scripted": {}}},
    )


def play(run: Run, last: int = STEPS) -> None:
    """Go on with the run up to step `last`, and leave it there as SIGKILL does, or end it in order."""
    run, state = begin(run)
    recorder = Recorder([MetricsLog()])
    observers = [Evaluation(recorder), recorder, BestCheckpoint(recorder), Checkpoints(recorder)]
    state = advance(run, state, observers, last)
    if last == run.steps:
        for observer in observers:
            observer.finish(last, state, "done")


def left(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / checkpoint.FOLDER).iterdir()}


def first_best(values: list[float], better: Direction = "higher") -> int | None:
    """The step of the first of the best finite values."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return None
    return EVERY * (values.index(max(finite) if better == "higher" else min(finite)) + 1)


SCORES = st.lists(
    st.sampled_from([0.0, 1.0, 2.0, 3.0, -1.5, math.nan, math.inf, -math.inf]),
    min_size=STEPS // EVERY,
    max_size=STEPS // EVERY,
)


@settings(max_examples=40)
@given(
    values=SCORES,
    better=st.sampled_from(["higher", "lower"]),
    kills=st.lists(st.integers(1, STEPS - 1), max_size=3),
    torn=st.booleans(),
)
def test_a_killed_run_keeps_the_best_of_the_uninterrupted_one(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[float],
    better: Direction,
    kills: list[int],
    torn: bool,
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    whole, broken = (scripted(folder / name, values, better) for name in ("whole", "broken"))
    play(whole)
    for at in kills:
        start = begin(broken)[0].start_step
        if at <= start:
            continue
        play(broken, at)
        if torn and (there := checkpoint.listed(broken.folder)):
            there[-1][1].write_bytes(b"torn")
    play(broken)
    found = checkpoint.bests(whole.folder)
    assert (found[-1].step if found else None) == first_best(values, better)
    assert left(broken.folder) == left(whole.folder)


def test_the_best_is_the_state_of_its_step(tmp_path: Path) -> None:
    values = [1.0, 3.0, math.nan, 2.0, 5.0, 5.0, math.inf, 4.0, 0.0, 1.0]
    run = scripted(tmp_path / "run", values)
    play(run)
    best = checkpoint.bests(run.folder)[-1]
    assert (best.metric, best.value, best.step) == ("score", 5.0, 15)
    found = checkpoint.load(run.folder / checkpoint.FOLDER / best.file)
    until = scripted(tmp_path / "until", values)
    play(until, 15)
    there = checkpoint.load(checkpoint.listed(until.folder)[-1][1])
    assert found.step == there.step == 15
    assert all(torch.equal(value, there.tensors[name]) for name, value in found.tensors.items())
    assert best.file.removeprefix("best") == there.path.name.removeprefix("step"), "the same bytes"


def test_ordinary_checkpoints_know_nothing_of_it(tmp_path: Path) -> None:
    run = scripted(tmp_path, [9.0, 3.0, *[0.0] * 8])
    play(run)
    assert [step for step, _ in checkpoint.listed(tmp_path)] == [25, 30]
    found, passed_over = checkpoint.latest_good(tmp_path)
    assert found is not None
    assert (found.step, passed_over) == (30, [])
    assert [best.step for best in checkpoint.bests(tmp_path)] == [3]


def test_a_state_that_is_not_finite_is_none(tmp_path: Path) -> None:
    run = scripted(tmp_path, [1.0] * 10)
    recorder = Recorder([])
    observer = BestCheckpoint(recorder)
    _, state = begin(run)
    recorder.start(run, state)
    observer.start(run, state)
    recorder.latest["evaluation/score"] = 1.0
    bad = state.generator._replace(params={**state.generator.params, "b": torch.tensor([math.nan, 0])})
    observer.after(EVERY, GameState(bad, state.critic, state.step), {})
    assert checkpoint.bests(tmp_path) == []
    observer.after(EVERY, state, {})
    assert [best.step for best in checkpoint.bests(tmp_path)] == [3]


def killed_after(number: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """Let the process die at its `number`-th change of a name in a folder; whether that has happened."""
    done = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal done
            done += 1
            if done >= number:
                raise SystemExit
            return real(*arguments, **named)

        return call

    for name in ("replace", "unlink"):
        monkeypatch.setattr(Path, name, counted(getattr(Path, name)))
    return lambda: done >= number


@pytest.mark.parametrize("first", [7, 14])
def test_a_kill_between_any_two_changes_of_a_name_leaves_a_whole_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    values = [0.0, 1.0, 2.0, 1.0, 3.0, 4.0, 0.0, 5.0, 6.0, 2.0]
    whole = scripted(tmp_path / "whole", values)
    play(whole)
    for number in range(1, 100):
        run = scripted(tmp_path / str(number), values)
        play(run, first)
        with monkeypatch.context() as patch:
            happened = killed_after(number, patch)
            with suppress(SystemExit):
                play(run, first + 8)
        for best in checkpoint.bests(run.folder):
            checkpoint.load(run.folder / checkpoint.FOLDER / best.file)
        assert checkpoint.bests(run.folder)
        if not happened():
            break
        play(run)
        files.sweep(run.folder / checkpoint.FOLDER)
        assert left(run.folder) == left(whole.folder)
    assert number > 10


def test_going_on_with_another_number_starts_its_best_anew(tmp_path: Path) -> None:
    run = scripted(tmp_path, [5.0, 9.0, *[0.0] * 8])
    play(run, 14)
    other = scripted(tmp_path, [5.0, 9.0, *range(8)])
    object.__setattr__(other.settings, "keep_best", "high_quality")
    play(other)
    assert {best.metric for best in checkpoint.bests(tmp_path)} == {"high_quality"}


def test_going_on_without_it_keeps_what_there_is(tmp_path: Path) -> None:
    run = scripted(tmp_path, [5.0, 9.0, *[0.0] * 8])
    play(run, 14)
    object.__setattr__(run.settings, "keep_best", None)
    play(run)
    assert [best.step for best in checkpoint.bests(tmp_path)][-1] == 6


def test_a_best_whose_file_is_gone_keeps_no_other_away(tmp_path: Path) -> None:
    run = scripted(tmp_path, [9.0, *[0.0] * 5, 1.0, 0.0, 0.0, 0.0])
    play(run, 14)
    (tmp_path / checkpoint.FOLDER / checkpoint.bests(tmp_path)[-1].file).unlink()
    play(run)
    assert [best.step for best in checkpoint.bests(tmp_path)][-1] == 21


@pytest.mark.parametrize("text", ["", "{", "[]", '{"metric": "x"}', '{"earlier": 3}'])
def test_a_damaged_list_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / checkpoint.FOLDER).mkdir()
    (tmp_path / checkpoint.FOLDER / checkpoint.BEST).write_text(text)
    assert checkpoint.bests(tmp_path) == []
