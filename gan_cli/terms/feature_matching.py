"""Feature matching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from gan_cli.checks import at_least_one, nonnegative, one_of, require
from gan_cli.terms.base import Memoryless, Scene, Side
from gan_cli.types import Noise, Tree

Norm = Literal["l1", "l2"]


@dataclass(frozen=True)
class FeatureMatching(Memoryless):
    """λ‖E_P f(x) − E_Q f(x)‖ as the generator's loss or added to it (Salimans et al. 2016, section 3.1).

    f is what the critic's layer with weights number `layer` reads, flattened; -1, the last, is right before
    the score, 0 the first; E is the mean over the batch. norm l2: the sum of squares over the features, as in
    the paper; l1: the mean of the absolute values over the features, as in the authors' code for natural
    images. alone: the generator has no other loss, as in the paper. weight λ ≥ 0; it acts in every `every`-th
    round, every ≥ 1, and in every round where it is alone. Raises ValueError otherwise.
    """

    weight: float = 1.0
    layer: int = -1
    norm: Norm = "l2"
    alone: bool = True
    every: int = 1

    name: ClassVar[str] = "feature_matching"
    side: ClassVar[Side] = "generator"
    per_sample: ClassVar[bool] = False

    def __post_init__(self) -> None:
        nonnegative(weight=self.weight)
        one_of("norm", self.norm, ("l1", "l2"))
        at_least_one(every=self.every)
        require(not self.alone or self.every == 1, "every", "1 where alone is true", self.every)

    def value(self, scene: Scene, memory: Tree, noise: Noise) -> Tensor:
        features = (scene.features(x, self.layer).flatten(1) for x in (scene.real, scene.fake))
        real, fake = map(scene.calculus.mean, features)
        gap = real - fake
        return self.weight * (gap.square().sum() if self.norm == "l2" else gap.abs().mean())
