from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
import torch

from gan_cli import checkpoint
from gan_cli.errors import RunError
from gan_cli.observers.base import Observer, Run
from gan_cli.observers.checkpoints import Checkpoints
from gan_cli.observers.metrics_log import MetricsLog, read
from gan_cli.observers.recorder import Recorder
from gan_cli.observers.watchdog import Watchdog
from tests.observers.toy import SETTINGS, Bad, Toy, advance, begin, make_run, rounds

Mode = Literal["warn", "stop", "off"]
NAN, INF = float("nan"), float("inf")
CASES = [
    (Bad("term", 32), "step 32: critic term 'penalty' is nan"),
    (Bad("term", 32, -INF), "step 32: critic term 'penalty' is -inf"),
    (Bad("gradient", 33, INF), "step 33: gradient of critic/w is inf"),
    (Bad("gradient", 33, NAN), "step 33: gradient of critic/w is nan"),
    (Bad("score", 1), "step 1: the critic's score of real examples in the critic's move is nan"),
    (Bad("update", 21, INF), "step 21: critic/params/c is inf after the update, from a finite gradient"),
]


def watched(run: Run) -> list[Observer]:
    recorder = Recorder([MetricsLog()])
    return [Watchdog(), recorder, Checkpoints(recorder)]


def poisoned(folder: Path, bad: Bad, mode: Mode = "stop", critic_steps: int = 1) -> Run:
    settings = dataclasses.replace(SETTINGS, watchdog=mode)
    return make_run(folder, learner=Toy(bad=bad, critic_steps=critic_steps), settings=settings)


@pytest.mark.parametrize(("bad", "message"), CASES)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_it_names_what_went_bad_first(tmp_path: Path, bad: Bad, message: str, device: str) -> None:
    """On a GPU numbers are read at intervals only; the label is enough to take that path."""
    run = dataclasses.replace(poisoned(tmp_path, bad), device=torch.device(device))
    with pytest.raises(RunError) as caught:
        advance(run, begin(run)[1], watched(run), run.steps)
    kept = "the last good checkpoint is that of step 20" if bad.step > 20 else "there is no checkpoint yet"
    assert str(caught.value) == f"{message}; {kept}"
    assert caught.value.exit_code == 1


def test_it_stops_before_anything_bad_is_written(tmp_path: Path) -> None:
    run = poisoned(tmp_path, Bad("term", 40))  # a step at which all else is due
    with pytest.raises(RunError, match="step 40"):
        advance(run, begin(run)[1], watched(run), run.steps)
    assert [step for step, _ in checkpoint.listed(tmp_path)] == [20]
    assert [line["step"] for line in read(tmp_path / "metrics.jsonl")] == [5, 10, 15, 20, 25, 30, 35]


def test_the_last_step_is_held_to_its_parameters_too(tmp_path: Path) -> None:
    """No later loss tells that the last update broke the parameters."""
    run = poisoned(tmp_path, Bad("update", 21, INF))
    run = dataclasses.replace(run, steps=21)
    with pytest.raises(RunError, match="step 21: critic/params/c is inf after the update"):
        advance(run, begin(run)[1], watched(run), 21)


def test_it_names_the_move_of_several(tmp_path: Path) -> None:
    run = poisoned(tmp_path, Bad("gradient", 7, INF, move=1), critic_steps=3)
    with pytest.raises(RunError, match=r"step 7: gradient of critic/w is inf in critic move 2 of 3"):
        advance(run, begin(run)[1], watched(run), run.steps)


def run_to_the_end(run: Run, observers: Sequence[Observer]) -> None:
    state = advance(run, begin(run)[1], observers, run.steps)
    for observer in observers:
        observer.finish(run.steps, state, "done")


def test_warn_says_it_once_goes_on_and_writes_no_bad_checkpoint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = poisoned(tmp_path, Bad("gradient", 32), "warn")
    observers = watched(run)
    with caplog.at_level(logging.WARNING, "gan_cli"):
        run_to_the_end(run, observers)
    said = [r.getMessage() for r in caplog.records]
    assert said == [
        "step 32: gradient of critic/w is nan",
        "step 40: no checkpoint written, generator/params/A is not finite",
        "step 60: no checkpoint written, generator/params/A is not finite",
    ]
    assert [step for step, _ in checkpoint.listed(tmp_path)] == [20]
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == 12
    assert '"critic/loss": "NaN"' in lines[-1]


def test_off_says_nothing_and_writes_no_bad_checkpoint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = poisoned(tmp_path, Bad("term", 30), "off")
    run_to_the_end(run, watched(run))
    assert caplog.records == [], "the term alone is bad, the state is not"
    assert [step for step, _ in checkpoint.listed(tmp_path)] == [40, 60]


def test_a_state_that_is_bad_from_the_start_is_named(tmp_path: Path) -> None:
    run = poisoned(tmp_path, Bad())
    state = begin(run)[1]
    state.critic.params["w"][0] = NAN
    with pytest.raises(RunError, match="step 1: critic/params/w is not finite before the step"):
        advance(run, state, watched(run), run.steps)


def test_what_does_not_happen_again_is_named_from_the_trace(tmp_path: Path) -> None:
    """Where a replay is finite (memory that was reused, a flaky device) the trace still says something."""
    run = poisoned(tmp_path, Bad("term", 2))
    watchdog = Watchdog()
    state = begin(run)[1]
    watchdog.start(run, state)
    batches = next(batches for _, batches in rounds(run, 1, 1))
    _, traces = run.learner.play(state._replace(step=torch.tensor(1)), batches)
    watchdog.before(5, state, batches)  # a step that is logged
    with pytest.raises(RunError, match="step 5: critic term 'penalty' is nan"):
        watchdog.after(5, state, traces)
