"""A sweep in a pool of workers: what fails is told and tried again, what is done is left alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.launchers import pooled

FAILING = ["data.raising=[1]", "data.killed=[3]", "hydra.launcher.retries=1", "hydra.sweep.dir=all"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], str, str]:
    """A sweep of five, two of which fail: its folder, its words, and what it printed on either stream."""
    folder = tmp_path_factory.mktemp("pool")
    words = [*pooled.plant(folder), "steps=8", "data.number=range(0,5)", *FAILING]
    ended = pooled.run(folder, words)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    return folder, words, ended.stdout, ended.stderr


def test_failures_are_told_tried_again_and_stop_no_other(swept: tuple[Path, list[str], str, str]) -> None:
    folder, _, out, err = swept
    for number in (0, 2, 4):
        assert pooled.summary(folder / f"all/{number}")["outcome"] == "done"
        assert f"job {number} done in" in out
    raised = [line for line in err.splitlines() if "job 1 failed" in line]
    killed = [line for line in err.splitlines() if "job 3 failed" in line]
    assert (
        ["tried again" in line for line in raised]
        == ["tried again" in line for line in killed]
        == [True, False]
    )
    assert all("planted in 1" in line and "log: all/1/console.log" in line for line in raised), err
    assert all(
        "killed by SIGKILL after 'about to die'" in line and "all/3/console.log" in line for line in killed
    )
    assert err.splitlines()[-1] == "gan-train: 2 of 5 jobs failed: 1, 3; see above"
    assert "Traceback" not in out + err
    assert "Traceback" in (folder / "all/1/train.log").read_text()
    rows = [line.split() for line in out.splitlines() if re.match(r" *\d+ +data.number=", line)]
    assert [row[:3] for row in rows] == [
        *([str(n), f"data.number={n}", "done"] for n in (0, 2, 4)),
        *([str(n), f"data.number={n}", "failed"] for n in (1, 3)),
    ]


def test_a_job_leaves_what_a_run_of_its_own_leaves(swept: tuple[Path, list[str], str, str]) -> None:
    job = swept[0] / "all/2"
    names = {path.name for path in job.iterdir() if not path.name.startswith("events.out")}
    assert names == {
        ".hydra",
        ".lock",
        "checkpoints",
        "console.log",
        "metrics.jsonl",
        "summary.json",
        "train.log",
    }
    assert {path.name for path in (job / ".hydra").iterdir()} == {
        "config.yaml",
        "hydra.yaml",
        "overrides.yaml",
    }
    hydra = yaml.safe_load((job / ".hydra/hydra.yaml").read_text())["hydra"]
    assert (hydra["job"]["num"], hydra["job"]["id"]) == (2, "2")
    assert hydra["runtime"]["output_dir"] == str(job)
    printed = (job / "console.log").read_text()
    assert printed.startswith("run: all/2\n")
    assert "step 8/8" in printed
    assert "done: 8 steps in all/2" in printed


def test_the_same_command_touches_only_what_is_not_done(swept: tuple[Path, list[str], str, str]) -> None:
    folder, words, out, _ = swept
    assert re.search(r"go on with: \S*gan-train --multirun", out)
    kept = {number: pooled.state(folder / f"all/{number}") for number in (0, 2, 4)}
    changed = pooled.run(folder, [*words, "model.width=5"])
    assert changed.returncode == 2
    assert changed.stderr.count("\n") == 1
    assert "job 0, all/0: this would change what the run computes: " in changed.stderr
    assert "model.width: 4 → 5" in changed.stderr
    (folder / "healed").touch()
    ended = pooled.run(folder, words)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 of 5 jobs were finished before" in ended.stdout
    assert {number: pooled.state(folder / f"all/{number}") for number in kept} == kept
    for number in (1, 3):
        assert pooled.summary(folder / f"all/{number}")["outcome"] == "done"
        assert pooled.steps(folder / f"all/{number}") == [4, 8]
