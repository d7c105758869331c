"""What the tests of `gan-eval` share: a metric of a user's own, quick runs, and readers of what is left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_cli.observers import evaluations
from gan_cli.observers.events import PATTERN

QUICK = ["steps=4", "evaluate_every=2", "checkpoint_every=2", "sample_every=0", "log_every=2", "batch_size=8"]
RING = ["data=ring", "model=mlp", "model.width=8", *QUICK]
PLANTED = '''
import torch
from gan_cli.metrics.base import Measured, Metric, Sheet


class Planted(Metric):
    """Cheap, with everything that a metric may leave; it cannot bear what is not said of it."""

    def __init__(self, dataset, factor: float = 1.0, breaks: bool = False):
        if factor < 0:
            raise ValueError(f"factor must be at least 0, got {factor}")
        self.factor, self.breaks, self.points = factor, breaks, dataset.kind == "points"

    names = ("planted", "planted_error")
    about = property(lambda self: f"times {self.factor}")
    better = {"planted": "higher"}

    def measure(self, subject):
        if self.breaks and self.points:
            raise RuntimeError("broken\\nin two lines")
        fake = subject.fake(subject.streams.at("planted", subject.step), 8)
        far = fake.flatten(1).norm(dim=1)
        values = {"planted": self.factor * far.mean(), "planted_error": far.std()}
        sheets = {} if self.points else {"page": Sheet(fake, 4)}
        return Measured(values, sheets, {"far": far})
'''


def entries(folder: str | Path) -> list[dict[str, Any]]:
    return evaluations.read(Path(folder))


def logged(folder: str | Path) -> dict[int, dict[str, float]]:
    """The numbers of each evaluation during the training, by step."""
    lines = [json.loads(line) for line in Path(folder, "metrics.jsonl").read_text().splitlines()]
    return {
        line["step"]: {
            k.removeprefix("evaluation/"): v for k, v in line.items() if k.startswith("evaluation/")
        }
        for line in lines
    }


def board(folder: str | Path) -> EventAccumulator:
    (_,) = Path(folder).glob(PATTERN)
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    return accumulator.Reload()


def scalars(folder: str | Path, tag: str) -> dict[int, float]:
    events = board(folder).Scalars(tag)
    assert len({event.step for event in events}) == len(events), "a step is there twice"
    return {event.step: event.value for event in events}
