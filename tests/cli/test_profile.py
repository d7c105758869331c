"""`runtime.profile=N`: a trace of some steps."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from gan_cli.launchers.ensemble_groups import alone
from gan_cli.observers.profiler import FILE, WARM_UP
from tests.cli.conftest import Command
from tests.test_combinations import built

LINE = ["data=ring", "model=mlp", "model.width=8", "batch_size=8", "device=cpu", "sample_every=0"]


def test_a_trace_of_the_asked_steps(gan_train: Command, folder: Path) -> None:
    line = [*LINE, "hydra.run.dir=run", f"steps={WARM_UP + 10}"]
    assert gan_train(*line, "runtime.profile=4").code == 0
    with gzip.open(folder / "run" / FILE) as file:
        events = json.load(file)["traceEvents"]
    names = [event["name"] for event in events]
    assert names.count("aten::randn") % 4 == 0
    assert names.count("aten::randn") > 0
    assert f"profile of 4 steps in {FILE}" in (folder / "run/train.log").read_text()


def test_a_run_too_short_to_be_traced_is_refused(gan_train: Command, folder: Path) -> None:
    shown = gan_train(*LINE, f"steps={WARM_UP + 3}", "runtime.profile=4")
    assert (shown.code, f"use steps={WARM_UP + 4} or more" in shown.line) == (2, True)
    assert not list(folder.iterdir())


def test_a_rest_too_short_to_be_traced_is_told_at_its_start(gan_train: Command, folder: Path) -> None:
    assert gan_train(*LINE, "hydra.run.dir=run", "steps=5").code == 0
    assert gan_train("resume=run", f"steps={WARM_UP + 4}", "runtime.profile=4").code == 0
    said = (folder / "run/train.log").read_text().splitlines()
    (told,) = (i for i, line in enumerate(said) if f"use steps={5 + WARM_UP + 4} or more" in line)
    assert told < max(i for i, line in enumerate(said) if f"step {WARM_UP + 4}" in line)


def test_a_traced_run_stands_in_no_ensemble() -> None:
    made = built(*LINE, "runtime.profile=4", f"steps={WARM_UP + 4}")
    assert "runtime.profile traces one run" in str(alone(dict(made.config), made))
    made = built(*LINE)
    assert alone(dict(made.config), made) is None


def test_no_trace_unless_asked_for(gan_train: Command, folder: Path) -> None:
    assert gan_train(*LINE, "hydra.run.dir=plain", f"steps={WARM_UP + 2}").code == 0
    assert not (folder / "plain" / FILE).exists()
