"""Studies as commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command

TINY = [
    *[
        "experiment=unrolled_ring",
        "device=cpu",
        "runtime.compile=off",
        "steps=4",
        "batch_size=8",
        "model.width=4",
    ],
    "model.latent=2",
]
STUDY = ["study.seeds=2", "study.steps_ahead=[0,1]", "study.measure_every=2", "study.samples=50"]


def test_a_study_leaves_its_table_and_goes_on_where_it_was(tmp_path: Path, gan_train: Command) -> None:
    folder = tmp_path / "study"
    assert gan_train(*TINY, *STUDY, f"hydra.run.dir={folder}").code == 0
    assert (folder / ".done").is_file()
    table = (folder / "table.md").read_text()
    json.loads((folder / "results.json").read_text())
    assert (folder / "unrolled.png").is_file()
    (folder / "table.md").unlink()
    done = sorted(path.stat().st_mtime_ns for path in (folder / "results").iterdir())
    assert gan_train(f"resume={folder}").code == 0
    assert (folder / "table.md").read_text() == table
    assert sorted(path.stat().st_mtime_ns for path in (folder / "results").iterdir()) == done


@pytest.mark.parametrize("none", ["none", "null"])
def test_without_its_study_an_experiment_is_one_run(none: str, tmp_path: Path, gan_train: Command) -> None:
    folder = tmp_path / "run"
    assert gan_train(*TINY, f"study={none}", f"hydra.run.dir={folder}").code == 0
    assert list((folder / "checkpoints").glob("step_00000004-*.pt"))
    assert not (folder / "table.md").exists()
