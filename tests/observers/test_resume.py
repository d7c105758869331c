"""A run that is killed and goes on leaves what an uninterrupted one leaves, in all but the clock."""

from __future__ import annotations

import dataclasses
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from gan_cli import checkpoint
from gan_cli.observers.background import Background
from gan_cli.observers.defaults import default_observers
from gan_cli.observers.events import PATTERN, EventFile, decode, encode
from gan_cli.observers.metrics_log import WALL_CLOCK, read
from gan_cli.types import State
from tests.observers.toy import Noise, advance, begin, complete, make_run

RECORD = tuple[str, int, bytes]


def scalar(value: float) -> Any:
    return Summary(value=[Summary.Value(tag="x", simple_value=value)])


def kill(run: Any, at: int, written: bool = True) -> None:
    """Play up to step `at` and stop without another word, as SIGKILL does: once all is written, or while
    jobs still wait."""
    run, state = begin(run)
    observers = default_observers(run)
    advance(run, state, observers, at)
    (background,) = (observer for observer in observers if isinstance(observer, Background))
    if not written:
        background._writer._error = SystemExit()  # what is under way ends, what waits never begins
    with suppress(SystemExit):
        background._writer.settle()


def lines(folder: Path) -> list[dict[str, float]]:
    return [{k: v for k, v in line.items() if k not in WALL_CLOCK} for line in read(folder / "metrics.jsonl")]


def records(folder: Path) -> list[RECORD]:
    """Tag, step and content of every event, in the order of the file, without what tells the time."""
    (path,) = folder.glob(PATTERN)
    return [
        (value.tag, event.step, value.SerializeToString())
        for event, _ in decode(path.read_bytes())
        for value in event.summary.value
        if not value.tag.startswith("speed/")
    ]


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "samples").iterdir()}


def same_state(a: State, b: State) -> bool:
    pairs = zip(checkpoint.named(a), checkpoint.named(b), strict=True)
    return all(m == n and torch.equal(x, y) for (m, x), (n, y) in pairs)


@pytest.mark.parametrize(
    ("kills", "images"), [((37,), False), ((20,), True), ((37,), True), ((13, 45), True), ((59, 60), True)]
)
def test_a_killed_run_becomes_the_uninterrupted_one(
    tmp_path: Path, kills: tuple[int, ...], images: bool
) -> None:
    dataset = Noise() if images else None
    whole, broken = (make_run(tmp_path / name, dataset) for name in ("whole", "broken"))
    state = complete(whole)
    for at in kills:
        kill(broken, at)
        with (broken.folder / "metrics.jsonl").open("a") as file:
            file.write('{"step": 999, "critic/lo')
        (events,) = broken.folder.glob(PATTERN)
        with events.open("ab") as raw:
            raw.write(encode(Event(step=at + 1, summary=scalar(1.0)))[:-5])
    assert same_state(complete(broken), state)
    assert lines(broken.folder) == lines(whole.folder)
    assert sorted(records(broken.folder)) == sorted(records(whole.folder))
    assert pictures(broken.folder) == pictures(whole.folder)
    newest = [checkpoint.load(checkpoint.listed(r.folder)[-1][1]) for r in (whole, broken)]
    assert newest[0].path.name == newest[1].path.name, "the name is a digest of the bytes"
    summaries = [json.loads((r.folder / "summary.json").read_text()) for r in (whole, broken)]
    assert summaries[0]["metrics"] == summaries[1]["metrics"] != {}
    assert summaries[1]["start_step"] == (60 if 60 in kills else 20 * (max(kills) // 20))


@pytest.mark.parametrize("kills", [(20,), (30, 40), (7, 21, 41, 59)])
def test_a_kill_while_much_is_still_to_be_written_leaves_no_trace(
    tmp_path: Path, kills: tuple[int, ...]
) -> None:
    whole, broken = (make_run(tmp_path / name, Noise()) for name in ("whole", "broken"))
    state = complete(whole)
    for at in kills:
        kill(broken, at, written=False)
        newest = max((step for step, _ in checkpoint.listed(broken.folder)), default=0)
        assert {line["step"] for line in lines(broken.folder)} >= set(range(5, newest + 1, 5))
    assert same_state(complete(broken), state)
    assert lines(broken.folder) == lines(whole.folder)
    assert sorted(records(broken.folder)) == sorted(records(whole.folder))
    assert pictures(broken.folder) == pictures(whole.folder)


def test_any_reader_finds_each_step_once(tmp_path: Path) -> None:
    run = make_run(tmp_path, Noise())
    kill(run, 37)
    complete(run)
    accumulator = EventAccumulator(str(tmp_path), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    accumulator.Reload()
    steps = [event.step for event in accumulator.Scalars("critic/loss")]
    assert steps == list(range(5, 61, 5))
    assert [event.step for event in accumulator.Images("samples")] == [10, 20, 30, 40, 50, 60]
    assert [event.step for event in accumulator.Scalars("evaluation/spread")] == [30, 60]
    tags = [tag for tag, _, _ in records(tmp_path)]
    for tag in ("config/text_summary", "custom_scalars__config__", "_hparams_/session_start_info"):
        assert tags.count(tag) == 1


def test_a_run_killed_before_its_first_checkpoint_starts_over(tmp_path: Path) -> None:
    whole, broken = make_run(tmp_path / "whole", Noise()), make_run(tmp_path / "broken", Noise())
    complete(whole)
    kill(broken, 19)
    assert checkpoint.latest_good(broken.folder) == (None, [])
    complete(broken)
    assert lines(broken.folder) == lines(whole.folder)
    assert sorted(records(broken.folder)) == sorted(records(whole.folder))


def test_raising_steps_goes_on_and_shows_the_new_config_once(tmp_path: Path) -> None:
    run = make_run(tmp_path, Noise(), steps=40)
    complete(run)
    complete(dataclasses.replace(run, steps=60, config_yaml="steps: 60\n"))
    assert [line["step"] for line in lines(tmp_path)] == list(range(5, 61, 5))
    texts = [content for tag, _, content in records(tmp_path) if tag == "config/text_summary"]
    assert len(texts) == 1
    assert b"steps: 60" in texts[0]
    ends = [tag for tag, _, _ in records(tmp_path) if tag == "_hparams_/session_end_info"]
    assert len(ends) == 1


def test_a_run_that_is_done_changes_nothing_when_it_goes_on(tmp_path: Path) -> None:
    run = make_run(tmp_path, Noise())
    complete(run)
    before = lines(tmp_path), sorted(records(tmp_path)), pictures(tmp_path), checkpoint.listed(tmp_path)
    complete(run)
    assert (
        lines(tmp_path),
        sorted(records(tmp_path)),
        pictures(tmp_path),
        checkpoint.listed(tmp_path),
    ) == before


def write_events(folder: Path, steps: range) -> Path:
    file = EventFile(folder, 10**9)
    for step in steps:
        file.add(step, scalar(step))
    file.close()
    return file.path


def values(folder: Path) -> list[int]:
    return [step for _, step, _ in records(folder)]


def test_event_files_are_cut_at_any_byte_without_loss_before_it(tmp_path: Path) -> None:
    raw = write_events(tmp_path, range(1, 4)).read_bytes()
    ends = [len(raw)]
    for length in range(len(raw), 0, -1):
        events = [event.step for event, _ in decode(raw[:length]) if event.summary.value]
        assert events == list(range(1, len(events) + 1))
        if len(events) < 4 - len(ends):
            ends.append(length)
    assert len(ends) == 4


def test_a_record_with_a_wrong_byte_is_left_out_and_the_rest_stays(tmp_path: Path) -> None:
    path = write_events(tmp_path, range(1, 6))
    raw = bytearray(path.read_bytes())
    whole = [record for _, record in decode(bytes(raw))]
    raw[sum(map(len, whole[:3])) - 6] ^= 0xFF  # in the data of step 2's record
    path.write_bytes(bytes(raw))
    EventFile(tmp_path, 4).close()
    assert values(tmp_path) == [1, 3, 4]


def test_several_event_files_become_one_without_duplicates(tmp_path: Path) -> None:
    path = write_events(tmp_path, range(1, 6))
    (tmp_path / "events.out.tfevents.1.copy").write_bytes(path.read_bytes())
    EventFile(tmp_path, 3).close()
    assert values(tmp_path) == [1, 2, 3]


@pytest.mark.parametrize("call", ["rename", "replace", "fsync"])
def test_a_kill_while_the_event_file_is_cut_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    write_events(tmp_path, range(1, 6))

    def killed(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(os, call, killed)
        with pytest.raises(SystemExit):
            EventFile(tmp_path, 3)
    assert values(tmp_path) == [1, 2, 3, 4, 5]
    EventFile(tmp_path, 3).close()
    assert values(tmp_path) == [1, 2, 3]


def test_what_was_recorded_is_on_the_disk_before_the_checkpoint_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    sync, save = os.fsync, checkpoint.save

    def synced(file: int) -> None:
        order.append(Path(f"/proc/self/fd/{file}").resolve().name)
        sync(file)

    def saved(*arguments: Any) -> Path:
        order.append("save")
        return save(*arguments)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(checkpoint, "save", saved)
    kill(make_run(tmp_path, Noise()), 20)
    before = order[: order.index("save")]
    assert before[-2] == "metrics.jsonl"
    assert before[-1].startswith("events.out.tfevents")
    assert order.count("save") == 1
