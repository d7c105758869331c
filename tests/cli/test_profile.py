"""`runtime.profile=N`: a trace of some steps."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from gan_cli.observers.profiler import FILE, WARM_UP
from tests.cli.conftest import Command

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


def test_no_trace_unless_asked_for_or_reached(gan_train: Command, folder: Path) -> None:
    assert gan_train(*LINE, "hydra.run.dir=plain", f"steps={WARM_UP + 2}").code == 0
    assert not (folder / "plain" / FILE).exists()
    assert gan_train(*LINE, "hydra.run.dir=short", "steps=5", "runtime.profile=4").code == 0
    assert not (folder / "short" / FILE).exists()
    assert f"ended before its step {WARM_UP + 1}" in (folder / "short/train.log").read_text()
