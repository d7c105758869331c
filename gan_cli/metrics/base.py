"""What a metric of `metric=[…]` is: numbers about a generator, taken at each evaluation of a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gan_cli.streams import Streams

Draw = Callable[[torch.Generator, int], Tensor]


@dataclass(frozen=True)
class Subject:
    """The generator of a run at one evaluation, and the data that it is held against.

    real, fake: n examples as a critic sees them, [n, *shape] float on the generator's device; real ones are
    drawn without replacement where there are finitely many, and fewer than n where there are fewer. examples:
    how many real ones there are, None where they are drawn without end. streams: the run's random numbers;
    name a purpose of your own, and take `step` for the number.
    """

    step: int
    shape: tuple[int, ...]
    real: Draw
    fake: Draw
    examples: int | None
    streams: Streams


class Metric(ABC):
    """A measure that a run takes every `evaluate_every` steps and logs as "evaluation/<name>".

    A constructor may ask for `loss`, the run's Loss without the tricks around it, and `critic`, the Network
    of its critic without the tricks in it: the run fills these in. All else is the yaml's.
    """

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The numbers that `measure` gives, in the order in which they are logged."""

    @abstractmethod
    def measure(self, subject: Subject) -> dict[str, Tensor]:
        """The numbers by name, each []. A pure function of the subject."""
