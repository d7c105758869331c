"""`gan-train --help`: complete, and at once."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from gan_cli.cli import folders
from gan_cli.schema import GROUPS, KEYS, TRAIN
from tests.cli.conftest import Command

ROOT = Path(__file__).parents[2]
OPTIONS = TRAIN.options(folders.options([ROOT / "configs"]))


Done = subprocess.CompletedProcess[str]


def timed(*argv: str, cwd: Path, env: dict[str, str]) -> tuple[float, Done]:
    """A command in a process of its own and its CPU time, which no other load on the machine changes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "gan_cli", *argv],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done


def test_help_names_every_group_option_and_key(gan_train: Command) -> None:
    shown = gan_train("--help")
    assert (shown.code, shown.err) == (0, "")
    words = shown.out.replace(",", " ").split()
    for group, names in OPTIONS.items():
        assert f"{group}:" in words
        assert set(names) <= set(words), group
    for name, key in KEYS.items():
        assert name in words
        assert " ".join(key.meaning.split()) in " ".join(shown.out.split())
    assert max(len(line) for line in shown.out.splitlines()) <= 100


def test_help_of_a_group_describes_each_option(gan_train: Command) -> None:
    shown = gan_train("loss", "-h").out
    assert all(f"  {name} " in shown for name in OPTIONS["loss"])
    assert "Wasserstein" in shown
    assert gan_train("--help", "loss=wgan").out == gan_train("loss.a=3", "-h").out == shown
    assert "examples" in gan_train("--help", "steps=3").out


def test_help_includes_the_users_own_options(gan_train: Command, folder: Path) -> None:
    (folder / "mine/loss").mkdir(parents=True)
    (folder / "mine/loss/my_own.yaml").write_text("# Mine\n_target_: mine.Loss\n")
    assert "my_own" in gan_train("--config-dir", "mine", "--help").out
    assert "Mine" in gan_train("--config-dir=mine", "--help", "loss").out
    assert gan_train("--config-dir", "mein", "-h").line.endswith("(did you mean 'mine'?)")


@pytest.mark.parametrize("argv", [["--help"], ["--cfg", "job"], ["loss=fgan_kll"], ["--version"]])
def test_it_answers_within_a_second(
    argv: list[str], tmp_path: Path, subprocess_environment: dict[str, str]
) -> None:
    seconds, done = timed(*argv, cwd=tmp_path, env=subprocess_environment)
    assert done.returncode == (2 if "=" in argv[0] else 0), done.stderr
    assert seconds < 1
    assert not list(tmp_path.iterdir())


def test_the_main_config_sets_every_key_and_group(gan_train: Command) -> None:
    shown = gan_train("--cfg", "job").out.splitlines()
    keys = [line.split(":")[0] for line in shown if not line.startswith((" ", "-"))]
    assert set(keys) == {*KEYS, *GROUPS} - {"experiment", "study"}


def test_a_reader_that_stops_early_is_no_error(
    tmp_path: Path, subprocess_environment: dict[str, str]
) -> None:
    command = f"{sys.executable} -m gan_cli --help | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=tmp_path,
        env=subprocess_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_completion_knows_groups_and_options(tmp_path: Path, subprocess_environment: dict[str, str]) -> None:
    line = "gan-train loss=fgan_k"
    env = subprocess_environment | {"COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_CWORD": "1"}
    _, done = timed("--shell-completion", "query=bash", cwd=tmp_path, env=env)
    assert done.stdout.split() == ["loss=fgan_kl"], done.stderr


def test_the_page_on_configuration_has_every_key_with_its_default(gan_train: Command) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", page, re.MULTILINE))
    shown = dict(line.split(": ", 1) for line in gan_train("--cfg", "job").out.splitlines() if ": " in line)
    assert set(KEYS) <= set(rows)
    fixed = [name for name in KEYS if not shown[name].startswith("${")]
    assert {name: rows[name].strip(" `") for name in fixed} == {name: shown[name] for name in fixed}
    free = page.split("those keys may change")[1].split("A change of any other key")[0]
    assert {name for name, key in KEYS.items() if key.resumable} - {"resume"} <= set(
        re.findall(r"`([\w.]+)`", free)
    )
