"""`metric=swd`: the sliced Wasserstein distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from gan_cli.checks import at_least_one, one_of
from gan_cli.data.base import Dataset
from gan_cli.evaluation.features import Name
from gan_cli.evaluation.two_sample import Against, TwoSample
from gan_cli.metrics.base import Direction, Subject
from gan_cli.metrics.sliced import directions, sliced_wasserstein


class SWD(TwoSample):
    """The sliced Wasserstein distance and its standard error over the directions.

    projections: how many directions, the same at each evaluation of a run. p: 1 or 2. Raises ValueError for
    values out of range.
    """

    key = "swd"

    def __init__(
        self,
        dataset: Dataset,
        samples: int = 5000,
        projections: int = 200,
        p: Literal[1, 2] = 2,
        features: Name = "pixels",
        weights: str | None = None,
        against: Against = "training",
    ) -> None:
        super().__init__(dataset, samples, features, weights, against)
        at_least_one(projections=projections)
        one_of("p", p, (1, 2))
        self._projections, self._p = projections, p

    @property
    def names(self) -> tuple[str, ...]:
        return "swd", "swd_error"

    @property
    def figures(self) -> str:
        return f"sliced W{self._p} in the features' unit, {self._projections} directions"

    @property
    def better(self) -> dict[str, Direction]:
        return {"swd": "lower"}

    def values(self, real: Tensor, fake: Tensor, subject: Subject) -> Sequence[Tensor]:
        generator = subject.streams.at("swd/directions", 0)
        along = directions(generator, self._projections, real.shape[1])
        return sliced_wasserstein(real, fake, along, self._p)
