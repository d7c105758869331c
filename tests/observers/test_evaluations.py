"""evaluation.json, and what a metric that fails does to a run."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from gan_cli.errors import InputError
from gan_cli.metrics.base import Measured, Metric, Subject
from gan_cli.observers import evaluations
from gan_cli.observers.evaluation import Evaluation
from gan_cli.observers.metrics_log import MetricsLog, read
from gan_cli.observers.recorder import Recorder
from tests.observers.toy import SETTINGS, advance, begin, make_run


class Fails(Metric):
    """A metric that fails after so many times."""

    about = "nothing"

    def __init__(self, error: Exception, times: int) -> None:
        self._error, self._left = error, times

    @property
    def names(self) -> tuple[str, ...]:
        return ("one", "two")

    def measure(self, subject: Subject) -> Measured:
        self._left -= 1
        if self._left < 0:
            raise self._error
        return Measured({name: torch.tensor(float(subject.step)) for name in self.names})


@pytest.mark.parametrize("error", [InputError("too few"), ValueError("odd"), RuntimeError("out of memory")])
def test_a_metric_that_fails_ends_no_run(
    tmp_path: Path, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    settings = dataclasses.replace(SETTINGS, evaluate_every=4)
    run = make_run(
        tmp_path,
        steps=8,
        settings=settings,
        metrics={"frail": Fails(error, 1)},
        config={"metric": {"frail": {}}},
    )
    recorder = Recorder([MetricsLog()])
    advance(run, begin(run)[1], [Evaluation(recorder), recorder], 8)
    lines = {line["step"]: line for line in read(tmp_path / "metrics.jsonl")}
    assert lines[4]["evaluation/one"] == lines[4]["evaluation/two"] == 4
    assert math.isnan(lines[8]["evaluation/one"])
    assert f"step 8: metric=frail failed: {error}" in caplog.text
    (entry,) = evaluations.read(tmp_path)
    assert entry["values"] == {"one": "NaN", "two": "NaN"}


def _entries(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        evaluations.record(folder, [{"metric": name, "settings": {}, "step": 1, "seed": 0}])


def test_processes_that_record_at_once_lose_nothing(tmp_path: Path) -> None:
    context = get_context("fork")
    lists = [[f"{who}{number}" for number in range(20)] for who in "abc"]
    workers = [context.Process(target=_entries, args=(tmp_path, names)) for names in lists]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert {one["metric"] for one in evaluations.read(tmp_path)} == {
        name for names in lists for name in names
    }


def test_the_same_takes_the_place_of_the_same(tmp_path: Path) -> None:
    first = {"metric": "a", "settings": {"n": 1}, "step": 1, "seed": 0, "values": {"a": 1.0}}
    others = [first | {"step": 2}, first | {"seed": 1}, first | {"settings": {"n": 2}}]
    evaluations.record(tmp_path, [first, *others])
    evaluations.record(tmp_path, [first | {"values": {"a": 2.0}}])
    kept = evaluations.read(tmp_path)
    assert len(kept) == 4
    assert [one["values"]["a"] for one in kept] == [1.0, 1.0, 1.0, 2.0]


def test_a_damaged_file_is_put_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / evaluations.NAME).write_text("{")
    with pytest.raises(InputError, match="damaged"):
        evaluations.read(tmp_path)
    _entries(tmp_path, ["a"])
    assert [one["metric"] for one in evaluations.read(tmp_path)] == ["a"]
    assert (tmp_path / "evaluation.json.damaged").read_text() == "{"
    assert "it is kept as evaluation.json.damaged" in caplog.text
