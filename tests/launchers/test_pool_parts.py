"""The parts of a pool by themselves: slots, workers that cannot start, and the ranking."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

from gan_cli.cli import plugins
from gan_cli.errors import RunError
from gan_cli.launchers import pool_crew, pool_ranking
from gan_cli.launchers.pool_crew import Crew
from gan_cli.launchers.pool_jobs import Job
from gan_cli.launchers.pool_slots import Slot, slots, visible_gpus
from gan_cli.launchers.pool_worker import Ended, Order


def test_a_worker_sees_its_gpu_alone() -> None:
    found = slots(3, ["GPU-4f", "5"], 16, {})
    pins = [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in found]
    assert pins == ["GPU-4f", "5", "GPU-4f"]
    assert {slot.environment["OMP_NUM_THREADS"] for slot in found} == {"5"}
    assert len(slots(None, ["0", "1"], 16, {})) == 2
    assert len(slots(None, [], 16, {})) == 16


@pytest.mark.parametrize(
    ("given", "names"), [({}, ["0", "1"]), ({"CUDA_VISIBLE_DEVICES": "3, GPU-7a"}, ["3", "GPU-7a"])]
)
def test_gpus_are_those_that_the_sweep_may_use(
    given: dict[str, str], names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert visible_gpus(given) == names
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert visible_gpus(given) == []


def test_threads_that_the_user_chose_stay() -> None:
    assert slots(2, [], 8, {"OMP_NUM_THREADS": "3"})[0].environment["OMP_NUM_THREADS"] == "3"
    assert slots(9, [], 2, {})[0].environment["OMP_NUM_THREADS"] == "1"


def test_workers_that_cannot_start_are_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "hydra.py").write_text("raise ImportError('torn apart')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(RunError, match="no worker.*ImportError: torn apart"):
        wait_for_a_worker()


def wait_for_a_worker() -> None:
    """Until one is there, or until the crew gives up."""
    with Crew([Slot("one", {})]) as crew:
        while not crew.idle:
            crew.grow(1)
            assert not list(crew.events(5.0))


def test_a_worker_that_ends_by_itself_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its connection closes a moment before it has ended: that moment is its own."""
    script = (
        "import sys, time; from multiprocessing.connection import Connection; "
        "from gan_cli.launchers.pool_worker import Ready; sweep = Connection({}); sweep.send(Ready()); "
        "sweep.recv(); sweep.close(); time.sleep(0.2); sys.exit('torn apart')"
    )
    monkeypatch.setattr(pool_crew, "_START", script)
    with Crew([Slot("one", {})]) as crew:
        while not crew.idle:
            crew.grow(1)
            assert not list(crew.events(5.0))
        crew.give(crew.idle[0], Order(0, ("", ""), b"", tmp_path))
        ((_, _, message),) = crew.events(60.0)
    assert message == Ended(1, "its worker ended with exit code 1 after 'torn apart'")


def test_launchers_are_known_where_hydra_finds_no_folder_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Plugins.instance().class_name_to_class
    for name in plugins.LAUNCHERS:
        monkeypatch.delitem(known, name, raising=False)
    plugins.register()
    assert [known[name].__name__ for name in plugins.LAUNCHERS] == ["PoolLauncher", "EnsembleLauncher"]


def planted(
    folder: Path, number: int, value: float | str, keep_best: str | None, outcome: str = "done"
) -> Job:
    """A job and what it would have left."""
    place = folder / str(number)
    (place / ".hydra").mkdir(parents=True)
    (place / ".hydra/config.yaml").write_text(f"model: {{}}\nsteps: 2\nkeep_best: {keep_best or 'null'}\n")
    metrics = {"evaluation/reverse_kl": value, "evaluation/modes_covered": 8.0 - number}
    (place / "summary.json").write_text(json.dumps({"outcome": outcome, "step": 2, "metrics": metrics}))
    lines = [{"step": 1, "evaluation/modes_covered": float(number)}, {"step": 2, **metrics}]
    (place / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    job = Job(number, ["steps=2", f"seed={number}"], place, OmegaConf.create({"steps": 2, "resume": None}))
    job.outcome = "done" if outcome == "done" else "failed"
    job.line = "it broke"
    return job


def ranks(out: str) -> list[tuple[str, ...]]:
    """The cells of the table's rows."""
    return [tuple(line.split()) for line in out.splitlines() if "seed=" in line]


def test_the_best_job_comes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values: list[float | str] = [0.5, "NaN", 0.25, 0.1]
    jobs = [
        planted(tmp_path, n, value, None, "failed" if n == 3 else "done") for n, value in enumerate(values)
    ]
    pool_ranking.show(jobs)
    out = capsys.readouterr().out
    assert ranks(out) == [
        ("1", "2", "seed=2", "done", "0.25"),
        ("2", "0", "seed=0", "done", "0.5"),
        ("1", "seed=1", "done", "NaN"),
        ("3", "seed=3", "failed", "at", "2/2"),
    ]
    assert "ranked by reverse_kl: lower is better" in out
    assert "job 3 failed: it broke; " in out


def test_keep_best_ranks_by_the_best_of_all_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pool_ranking.show([planted(tmp_path, n, 0.5, "modes_covered") for n in (0, 2, 5)])
    out = capsys.readouterr().out
    assert [row[:2] + row[4:] for row in ranks(out)] == [("1", "0", "8"), ("2", "2", "6"), ("3", "5", "5")]
    assert "best modes_covered" in out
    assert "ranked by modes_covered: higher is better" in out
