"""`metric=frechet`: the Fréchet distance, which is the FID where the features are Inception's."""

from __future__ import annotations

import torch

from gan_cli.data.base import Dataset
from gan_cli.evaluation.features import Name
from gan_cli.evaluation.two_sample import Against, Compared
from gan_cli.metrics.base import Direction, Measured, Subject
from gan_cli.metrics.frechet import frechet_distance, moments


class Frechet(Compared):
    """|μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½) of the features' means and covariances, which are added up batch
    by batch. Raises ValueError for values out of range."""

    key = "frechet"

    def __init__(
        self,
        dataset: Dataset,
        samples: int = 10_000,
        features: Name = "pixels",
        weights: str | None = None,
        against: Against = "training",
    ) -> None:
        super().__init__(dataset, samples, features, weights, against)

    @property
    def names(self) -> tuple[str, ...]:
        return ("frechet",)

    @property
    def figures(self) -> str:
        return "squared Fréchet distance in the features' unit, too large where samples are few"

    @property
    def better(self) -> dict[str, Direction]:
        return {"frechet": "lower"}

    @torch.no_grad()
    def measure(self, subject: Subject) -> Measured:
        real, fake = (moments(parts) for parts in self.parts(subject))
        distance = frechet_distance(real.mean, real.covariance, fake.mean, fake.covariance)
        return Measured({"frechet": distance})
