"""`metric=kid`: the kernel distance of Bińkowski et al."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from gan_cli.checks import require
from gan_cli.data.base import Dataset
from gan_cli.evaluation.features import Name
from gan_cli.evaluation.two_sample import Against, TwoSample
from gan_cli.metrics.base import Direction, Subject
from gan_cli.metrics.mmd import in_blocks, polynomial


class KID(TwoSample):
    """MMD² by the kernel (x·y/F + 1)³, the mean over disjoint blocks, and its standard error over them.

    block: examples of either side in a block; smaller ones if there would be fewer than ten. Raises
    ValueError for values out of range.
    """

    key, least = "kid", 4

    def __init__(
        self,
        dataset: Dataset,
        samples: int = 5000,
        block: int = 500,
        features: Name = "pixels",
        weights: str | None = None,
        against: Against = "training",
    ) -> None:
        super().__init__(dataset, samples, features, weights, against)
        require(block >= 2, "block", "at least 2", block)
        self._block = block

    @property
    def names(self) -> tuple[str, ...]:
        return "kid", "kid_error"

    @property
    def figures(self) -> str:
        blocks = f"blocks of about {self._block}, or a tenth of the examples if that is less"
        return f"MMD², unbiased; kernel (x·y/F + 1)³, {blocks}"

    @property
    def better(self) -> dict[str, Direction]:
        return {"kid": "lower"}

    def values(self, real: Tensor, fake: Tensor, subject: Subject) -> Sequence[Tensor]:
        return in_blocks(real, fake, polynomial, self._block)
