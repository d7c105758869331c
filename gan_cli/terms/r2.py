"""R2 gradient penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gan_cli.checks import at_least_one, nonnegative
from gan_cli.terms.base import Memoryless, Scene, Side, squared_slope
from gan_cli.types import Noise, Tree


@dataclass(frozen=True)
class R2(Memoryless):
    """(γ/2) E_Q‖∇ₓV(x)‖², added to the critic's loss (Mescheder et al. 2018, eq. 10).

    The gradient is taken at generated examples as the critic sees them, one by one. γ ≥ 0; it acts in every
    `every`-th round, every ≥ 1. Raises ValueError otherwise.
    """

    gamma: float = 1.0
    every: int = 1

    name: ClassVar[str] = "r2"
    side: ClassVar[Side] = "critic"
    per_sample: ClassVar[bool] = True

    def __post_init__(self) -> None:
        nonnegative(gamma=self.gamma)
        at_least_one(every=self.every)

    def value(self, scene: Scene, memory: Tree, noise: Noise) -> Tensor:
        return 0.5 * self.gamma * squared_slope(scene, scene.fake).mean()
