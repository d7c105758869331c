"""What a person sees while a run goes on."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import pytest
from rich.console import Console

from gan_cli.observers import logfile, progress
from gan_cli.observers.base import Observer
from gan_cli.observers.logfile import LOGGER, LogFile
from gan_cli.observers.progress import Lines, ProgressBar
from gan_cli.observers.recorder import Recorder
from tests.observers.toy import advance, begin, make_run


def played(folder: Path, monkeypatch: pytest.MonkeyPatch) -> LogFile:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest has put its own there
    run = make_run(folder, steps=12)
    log, recorder = LogFile(), Recorder([Lines()])
    observers: list[Observer] = [log, recorder, ProgressBar(recorder)]
    state = advance(run, begin(run)[1], observers, 12)
    LOGGER.warning("look at this")
    for observer in observers:
        observer.finish(12, state, "done")
    log.close()
    return log


def test_without_a_terminal_there_is_a_line_a_logged_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    played(tmp_path, monkeypatch)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert lines[0] == "running from the start to step 12 on cpu"
    assert [line[:10] for line in lines[1:-1]] == ["step  5/12", "step 10/12", "step 12/12"]
    assert all(word in lines[1] for word in ("G ", "C ", "bound ", "steps/s", " left"))
    assert lines[-1] == "look at this"


def test_a_terminal_shows_a_bar_and_warnings_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    for module in (logfile, progress):
        monkeypatch.setattr(module, "is_terminal", lambda: True)
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=screen, force_terminal=True, width=120))
    played(tmp_path, monkeypatch)
    shown = screen.getvalue() + capsys.readouterr().err
    assert "12/12" in shown
    assert all(word in shown for word in ("G ", "C ", "bound ", "steps/s"))
    assert "look at this" in shown
    assert "running from" not in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l"), "the cursor is back"


def test_the_log_holds_it_all_in_order_over_both_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        played(tmp_path, monkeypatch)
    text = (tmp_path / "train.log").read_text()
    assert text.count("INFO    step 10/12") == 2
    assert text.count("WARNING look at this") == 2
    assert LOGGER.handlers == []


def test_a_log_that_a_full_disk_does_not_take_ends_in_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logfile, "NAME", "/dev/full")
    played(tmp_path, monkeypatch)
    assert "Traceback" not in capsys.readouterr().err


def test_closing_twice_is_harmless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    level = LOGGER.level
    played(tmp_path, monkeypatch).close()
    assert LOGGER.level == level
