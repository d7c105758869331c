"""docs/extending.md, run as it stands: its files are written, its commands are run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Command

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
TEXT = PAGE.read_text(encoding="utf-8")
FILES = re.findall(r"^`(\S+)`\n\n```\w+\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
SCRIPTS = re.findall(r"^```bash( fails)?\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [(line, bool(fails)) for fails, script in SCRIPTS for line in script.splitlines()]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the page's files."""
    folder = tmp_path_factory.mktemp("user")
    for name, text in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    yield folder
    for module in [name for name in sys.modules if name.split(".")[0] == "mine"]:
        del sys.modules[module]


@pytest.fixture
def folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which `gan_train` works."""
    monkeypatch.chdir(place)
    return place


def test_the_page_has_no_other_blocks() -> None:
    assert len(FILES) + len(SCRIPTS) == TEXT.count("\n```\n") > 0


@pytest.mark.parametrize(("command", "fails"), COMMANDS)
def test_the_pages_commands(
    command: str, fails: bool, folder: Path, gan_train: Command, subprocess_environment: dict[str, str]
) -> None:
    program, *argv = shlex.split(command.removeprefix("PYTHONPATH=. "))
    if program == "python":
        env = subprocess_environment | {"PYTHONPATH": f".:{subprocess_environment['PYTHONPATH']}"}
        subprocess.run([sys.executable, *argv], cwd=folder, env=env, check=True)
        return
    assert program == "gan-train"
    before = set(folder.glob("outputs/**/summary.json"))
    outcome = gan_train(*argv)
    made = len(set(folder.glob("outputs/**/summary.json")) - before)
    if fails:
        assert (outcome.code, made) == (2, 0), outcome.err
        assert outcome.line
    else:
        assert outcome.code == 0, outcome.err
        assert made == ("--help" not in argv) * (4 if "--multirun" in argv else 1)
