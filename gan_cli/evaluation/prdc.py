"""`metric=prdc`: precision, recall, density and coverage."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from gan_cli.checks import at_least_one, require
from gan_cli.data.base import Dataset
from gan_cli.errors import InputError
from gan_cli.evaluation.features import Name
from gan_cli.evaluation.two_sample import Against, TwoSample
from gan_cli.metrics.base import Direction, Subject
from gan_cli.metrics.manifold import manifold

_NAMES = ("prdc_precision", "prdc_recall", "prdc_density", "prdc_coverage")


class PRDC(TwoSample):
    """Precision, recall, density and coverage by balls to the k-th neighbour: see `gan_cli.metrics.manifold`.

    k: 5 as in Naeem et al. 2020; Kynkäänniemi et al. 2019 take 3. Raises ValueError for values out of range.
    """

    key = "prdc"

    def __init__(
        self,
        dataset: Dataset,
        samples: int = 5000,
        k: int = 5,
        features: Name = "pixels",
        weights: str | None = None,
        against: Against = "training",
    ) -> None:
        super().__init__(dataset, samples, features, weights, against)
        at_least_one(k=k)
        require(samples > k, "samples", f"above k={k}", samples)
        self._k = k

    @property
    def names(self) -> tuple[str, ...]:
        return _NAMES

    @property
    def figures(self) -> str:
        return f"shares, balls to neighbour {self._k}"

    @property
    def better(self) -> dict[str, Direction]:
        return dict.fromkeys(_NAMES, "higher")

    def values(self, real: Tensor, fake: Tensor, subject: Subject) -> Sequence[Tensor]:
        if len(real) <= self._k:
            raise InputError(f"metric.prdc.k={self._k}: it must be below the number of examples, {len(real)}")
        return manifold(real, fake, self._k)
