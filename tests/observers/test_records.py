"""Numbers: read once, written everywhere, the same everywhere."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from gan_cli.errors import RunError
from gan_cli.files import Appender
from gan_cli.observers.base import Observer, Outcome, Run
from gan_cli.observers.defaults import default_observers
from gan_cli.observers.evaluation import Evaluation, metrics
from gan_cli.observers.events import PATTERN, decode
from gan_cli.observers.logfile import LOGGER
from gan_cli.observers.metrics_log import dumps, read
from gan_cli.observers.recorder import Picture, Recorder, Scalars, Sink, to_host
from tests.observers.toy import SETTINGS, Bad, Noise, Toy, advance, begin, complete, make_run


class Memory(Sink):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, dict[str, float]]] = []

    def scalars(self, step: int, values: Scalars) -> None:
        self.kept.append((step, dict(values)))


def test_a_step_is_measured_once_for_all_sinks_and_joined_with_the_evaluation(tmp_path: Path) -> None:
    learner = Toy()
    measure = Mock(side_effect=learner.measure)
    object.__setattr__(learner, "measure", measure)
    first, second = Memory(), Memory()
    recorder = Recorder([first, second])
    run = make_run(
        tmp_path, learner=learner, steps=12, settings=dataclasses.replace(SETTINGS, evaluate_every=4)
    )
    advance(run, begin(run)[1], [Evaluation(recorder), recorder], 12)
    assert first.kept == second.kept
    assert [step for step, _ in first.kept] == [4, 5, 8, 10, 12]
    assert measure.call_count == 3, "at 5, 10 and the last step"
    assert set(first.kept[0][1]) == set(metrics(run))
    assert {"critic/loss", "steps/s", "images/s", "evaluation/spread"} <= set(first.kept[-1][1])
    assert recorder.latest == {**first.kept[2][1], **first.kept[-1][1]}
    last = first.kept[-1][1]
    assert last["images/s"] == pytest.approx(16 * last["steps/s"])


def test_the_host_gets_float32_exactly() -> None:
    values = {f"{i}": torch.rand(()) * 10.0**i for i in range(-30, 30)}
    assert all(torch.tensor(x) == values[name] for name, x in to_host(values).items())
    assert to_host({}) == {}


def test_lines_are_strict_json_and_what_is_not_finite_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(dumps({"step": 3, "a": math.nan, "b": -math.inf, "c": math.inf, "d": 0.1}))

    def refuse(name: str) -> None:
        raise AssertionError(name)

    json.loads(path.read_text(), parse_constant=refuse)
    (line,) = read(path)
    assert math.isnan(line.pop("a"))
    assert line == {"step": 3, "b": -math.inf, "c": math.inf, "d": 0.1}


@pytest.mark.parametrize("torn", ['{"step": 4, "a', '{"step": 4}', "[1]\n", '{"a": 1}\n', "\x00\x00\n"])
def test_torn_lines_are_left_out(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(dumps({"step": 3}) + torn)
    assert read(path) == [{"step": 3}]
    assert read(tmp_path / "none") == []


def test_a_full_disk_is_one_line() -> None:
    file = Appender(Path("/dev/full"))
    with pytest.raises(RunError, match=r"^cannot write to /dev: the disk is full$"):
        file.write(b"x")
    file.close()


def test_the_summary_tells_what_the_run_was(tmp_path: Path) -> None:
    run = make_run(tmp_path, Noise())
    complete(run)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["outcome"], summary["failure"], summary["step"], summary["start_step"]) == (
        "done",
        None,
        60,
        0,
    )
    assert summary["config_sha256"] == hashlib.sha256(run.config_yaml.encode()).hexdigest()
    assert summary["versions"]["torch"] == torch.__version__
    last = read(tmp_path / "metrics.jsonl")[-1]
    assert summary["metrics"] == {
        k: v for k, v in last.items() if k not in ("step", "time", "steps/s", "images/s")
    }
    assert 0 < summary["images/s"] == pytest.approx(16 * summary["steps/s"], rel=1e-3)
    assert summary["seconds"] > 0


def fail(run: Run) -> list[Observer]:
    observers = default_observers(run)
    state = begin(run)[1]
    with pytest.raises(RunError):
        advance(run, state, observers, run.steps)
    for observer in observers:
        observer.finish(30, state, "failed")
    return observers


def test_a_run_that_failed_says_why_everywhere(tmp_path: Path) -> None:
    fail(make_run(tmp_path, Noise(), Toy((1, 8, 8), bad=Bad("term", 31))))
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["outcome"], summary["failure"]) == ("failed", "step 31: critic term 'penalty' is nan")
    assert "failed after step 30" in (tmp_path / "train.log").read_text()
    assert LOGGER.handlers == []
    assert session(tmp_path).session_end_info.status == 2  # STATUS_FAILURE


def test_a_disk_that_is_full_at_the_end_of_a_failed_run_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise RunError("cannot write to x: the disk is full")

    monkeypatch.setattr(
        "gan_cli.observers.summary.Summary._write", lambda *a: full() if a[3] == "failed" else None
    )
    fail(make_run(tmp_path, Noise(), Toy((1, 8, 8), bad=Bad("term", 3))))
    assert LOGGER.handlers == []


def test_a_start_that_fails_can_be_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop ends every observer, also those whose start the disk did not allow."""
    run = make_run(tmp_path, Noise())
    observers, state = default_observers(run), begin(run)[1]
    monkeypatch.setattr(Sink, "open", Mock(side_effect=RunError("cannot write to x: the disk is full")))
    monkeypatch.setattr("gan_cli.observers.metrics_log.MetricsLog.open", Sink.open)
    with pytest.raises(RunError, match="the disk is full"):
        advance(run, state, observers, 1)
    for observer in observers:
        observer.finish(0, state, "failed")
    assert LOGGER.handlers == []


def session(folder: Path, tag: str = "_hparams_/session_end_info") -> plugin_data_pb2.HParamsPluginData:
    (path,) = folder.glob(PATTERN)
    (value,) = (v for event, _ in decode(path.read_bytes()) for v in event.summary.value if v.tag == tag)
    data = plugin_data_pb2.HParamsPluginData()
    data.ParseFromString(value.metadata.plugin_data.content)
    return data


def test_tensorboard_holds_curves_pictures_config_and_one_session(tmp_path: Path) -> None:
    complete(make_run(tmp_path, Noise()))
    assert [path.parent for path in tmp_path.rglob(PATTERN)] == [tmp_path], "no second run"
    board = EventAccumulator(str(tmp_path), size_guidance={"scalars": 0})
    board.Reload()
    lines = read(tmp_path / "metrics.jsonl")
    for name in ("critic/loss", "divergence/bound", "critic/penalty"):
        found = {event.step: event.value for event in board.Scalars(name)}
        assert found == pytest.approx({line["step"]: line[name] for line in lines})
    assert "speed/images/s" in board.Tags()["scalars"]
    assert set(board.Tags()["images"]) == {"samples", "interpolation", "real"}
    picture = board.Images("samples")[-1].encoded_image_string
    assert picture == (tmp_path / "samples" / "step_000060.png").read_bytes()
    assert b"batch_size: 16" in board.Tensors("config/text_summary")[0].tensor_proto.string_val[0]
    start = session(tmp_path, "_hparams_/session_start_info").session_start_info.hparams
    assert start["batch_size"].number_value == 16
    assert start["runtime.compile"].string_value == "false"
    experiment = session(tmp_path, "_hparams_/experiment").experiment
    assert "divergence/bound" in {info.name.tag for info in experiment.metric_infos}
    assert session(tmp_path).session_end_info.status == 1  # STATUS_SUCCESS


def test_never_is_an_interval(tmp_path: Path) -> None:
    complete(make_run(tmp_path, Noise(), settings=dataclasses.replace(
        SETTINGS, log_every=0, sample_every=0, checkpoint_every=0, evaluate_every=0
    )))  # fmt: skip
    assert read(tmp_path / "metrics.jsonl") == []
    assert [path.name for path in (tmp_path / "samples").iterdir()] == ["real.png"]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1, "an orderly end keeps its state in any case"


@pytest.mark.parametrize("outcome", ["done", "stopped", "failed"])
def test_only_an_orderly_end_writes_a_checkpoint(tmp_path: Path, outcome: Outcome) -> None:
    run = make_run(tmp_path, Noise())
    observers = default_observers(run)
    state = advance(run, begin(run)[1], observers, 33)
    for observer in observers:
        observer.finish(33, state, outcome)
    steps = sorted(int(path.name[5:13]) for path in (tmp_path / "checkpoints").iterdir())
    assert steps == ([20] if outcome == "failed" else [20, 33])


def test_a_sink_may_leave_out_what_it_has_no_use_for(tmp_path: Path) -> None:
    sink = Sink()
    sink.open(make_run(tmp_path))
    sink.picture("x", None, Picture(b"", 1, 1))
    sink.scalars(1, {})
    sink.sync()
    sink.close("done")
