"""A metric whose values are known beforehand."""

from __future__ import annotations

import torch

from gan_cli.metrics.base import Direction, Measured, Metric, Subject

EVERY = 3
"""Steps between two evaluations."""


class Scripted(Metric):
    """A metric whose value at each evaluation is known beforehand."""

    def __init__(self, values: list[float], better: Direction = "higher") -> None:
        self._values, self._better = values, better

    @property
    def names(self) -> tuple[str, ...]:
        return "score", "score_error", "other"

    @property
    def about(self) -> str:
        return "read from a list"

    @property
    def better(self) -> dict[str, Direction]:
        return {"score": self._better}

    def measure(self, subject: Subject) -> Measured:
        value = torch.tensor(self._values[subject.step // EVERY - 1], dtype=torch.float64)
        return Measured({"score": value, "score_error": value * 0, "other": value})
