"""What a metric of `metric=[…]` is: numbers about a generator, taken at each evaluation of a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from gan_cli.metrics.directions import Direction as Direction
from gan_cli.streams import Streams
from gan_cli.types import LogDensity
from gan_cli.types import Sheet as Sheet

Draw = Callable[[torch.Generator, int], Tensor]


@dataclass(frozen=True)
class Subject:
    """The generator of a run at one evaluation, and the data that it is held against.

    real, unseen, fake: n examples as a critic sees them, [n, *shape] float on the generator's device. real
    ones are of those that the run trains on, unseen ones of the same law and no part of these (None where
    there are none). Both are drawn without replacement where there are finitely many, and fewer than n where
    there are fewer: `examples` and `unseen_examples` say how many, None where they are drawn without end.
    latents: n draws from the prior, [n, Z]; generate: G(z) in evaluation mode, differentiable, [B, Z] ->
    [B, *shape]; condition: how many of a latent's entries, the last, say what it is to be, such as its class.
    likelihood: ln p by so many samples, None where the model has none.
    pixel_range: the values of black and white, None for points. streams: the run's random
    numbers; name a purpose of your own, and take `step` for the number.
    """

    step: int
    shape: tuple[int, ...]
    pixel_range: tuple[float, float] | None
    real: Draw
    fake: Draw
    unseen: Draw | None
    examples: int | None
    unseen_examples: int | None
    latents: Draw
    generate: Callable[[Tensor], Tensor]
    streams: Streams
    condition: int = 0
    likelihood: Callable[[torch.Generator, int], LogDensity | None] = lambda generator, samples: None

    @property
    def all_unseen(self) -> int:
        """How many unseen examples to draw where all are asked for; 10,000 where there is no end of them."""
        return self.unseen_examples or 10_000


class Measured(NamedTuple):
    """What a metric finds: numbers, each [], the standard error of <name> under <name>_error; pictures; and
    numbers of single examples, [n] each."""

    values: dict[str, Tensor]
    sheets: Mapping[str, Sheet] = {}
    per_example: Mapping[str, Tensor] = {}


class Metric(ABC):
    """A measure that a run takes every `evaluate_every` steps and logs as "evaluation/<name>".

    A constructor may ask for `loss`, the run's Loss without the tricks around it, `critic`, the Network of
    its critic without the tricks in it, `density`, its model of one player, and `dataset`, its Dataset: the
    run fills these in. All else is the yaml's. differentiates: whether it needs samples that are smooth in
    the latent.
    """

    differentiates: ClassVar[bool] = False

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The numbers that `measure` gives, in the order in which they are logged."""

    @property
    @abstractmethod
    def about(self) -> str:
        """How the numbers come about, in one line: their unit, the protocol and its sizes."""

    @property
    def better(self) -> Mapping[str, Direction]:
        """Of the names, those that are better one way, and which way."""
        return {}

    def preflight(self) -> None:  # noqa: B027 - most metrics need no file
        """Look for the files that it needs, before anything is trained. Raises InputError."""

    @abstractmethod
    def measure(self, subject: Subject) -> Measured:
        """The numbers, pictures and details of one moment. A pure function of the subject."""
