"""Fifty jobs, ten of which are to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.launchers import pooled

RAISING, KILLED = (2, 5, 11, 17, 23, 42), (7, 19, 33, 49)


@pytest.mark.slow
def test_fifty_jobs_of_which_ten_fail(tmp_path: Path) -> None:
    planted = [f"data.raising={list(RAISING)}", f"data.killed={list(KILLED)}"]
    words = [*pooled.plant(tmp_path), "steps=4", "data.number=range(0,50)", *planted, "hydra.sweep.dir=all"]
    failing, jobs = sorted([*RAISING, *KILLED]), {n: tmp_path / f"all/{n}" for n in range(50)}
    words = [word.replace(" ", "") for word in words]
    ended = pooled.run(tmp_path, words)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    told = f"gan-train: 10 of 50 jobs failed: {', '.join(map(str, failing))}; see above"
    assert ended.stderr.splitlines()[-1] == told
    done = [
        n
        for n, job in jobs.items()
        if (job / "summary.json").exists() and pooled.summary(job)["outcome"] == "done"
    ]
    assert done == [n for n in jobs if n not in failing]
    for number in failing:
        lines = [line for line in ended.stderr.splitlines() if f"job {number} failed" in line]
        assert len(lines) == 2, "once, and once more when it was tried again"
        assert all(f"log: all/{number}/console.log" in line for line in lines)
    kept = {n: pooled.state(jobs[n]) for n in done}
    (tmp_path / "healed").touch()
    ended = pooled.run(tmp_path, words)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "40 of 50 jobs were finished before" in ended.stdout
    begun = {
        int(line.split()[1])
        for line in ended.stdout.splitlines()
        if line.split()[2:3] in (["begins"], ["goes"])
    }
    assert begun == set(failing)
    assert {n: pooled.state(jobs[n]) for n in done} == kept
    assert all(pooled.summary(job)["outcome"] == "done" for job in jobs.values())
