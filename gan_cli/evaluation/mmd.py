"""`metric=mmd`: the maximum mean discrepancy with a Gaussian kernel."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from gan_cli.checks import positive, require
from gan_cli.data.base import Dataset
from gan_cli.evaluation.features import Name
from gan_cli.evaluation.two_sample import Against, TwoSample
from gan_cli.metrics.base import Direction, Subject
from gan_cli.metrics.mmd import gaussian, median_distance, mmd2

_PAIRED = 1000


class MMD(TwoSample):
    """MMD² by a Gaussian kernel, unbiased, with its standard error: see `gan_cli.metrics.mmd`.

    bandwidth: σ of the kernel in the unit of the features; None: the median distance between 1000 of the real
    examples. scales: factors of it; of several, the kernel is their mean. Raises ValueError for values out of
    range.
    """

    key = "mmd"

    def __init__(
        self,
        dataset: Dataset,
        samples: int = 2000,
        bandwidth: float | None = None,
        scales: tuple[float, ...] = (1.0,),
        features: Name = "pixels",
        weights: str | None = None,
        against: Against = "training",
    ) -> None:
        super().__init__(dataset, samples, features, weights, against)
        require(len(scales) > 0, "scales", "at least one number", [])
        for scale in scales:
            positive(scales=scale)
        if bandwidth is not None:
            positive(bandwidth=bandwidth)
        self._bandwidth, self._scales = bandwidth, tuple(scales)

    @property
    def names(self) -> tuple[str, ...]:
        return "mmd2", "mmd2_error", "mmd_bandwidth"

    @property
    def figures(self) -> str:
        width = "the median distance" if self._bandwidth is None else str(self._bandwidth)
        scales = "" if self._scales == (1.0,) else f", times {', '.join(map(str, self._scales))}"
        return f"MMD², unbiased; Gaussian kernel, bandwidth {width}{scales}"

    @property
    def better(self) -> dict[str, Direction]:
        return {"mmd2": "lower"}

    def values(self, real: Tensor, fake: Tensor, subject: Subject) -> Sequence[Tensor]:
        width = median_distance(real[:_PAIRED]) if self._bandwidth is None else self._bandwidth
        bandwidth = real.new_ones(()).double() * width
        found = mmd2(real, fake, gaussian(bandwidth * bandwidth.new_tensor(self._scales)))
        return *found, bandwidth
