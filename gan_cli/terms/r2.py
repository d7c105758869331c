"""R2 gradient penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gan_cli.terms.base import Scene, squared_slope
from gan_cli.terms.r1 import R1
from gan_cli.types import Noise, Tree


@dataclass(frozen=True)
class R2(R1):
    """(γ/2) E_Q‖∇ₓV(x)‖², added to the critic's loss (Mescheder et al. 2018, eq. 10).

    As R1, but the gradient is taken at generated examples.
    """

    name: ClassVar[str] = "r2"

    def value(self, scene: Scene, memory: Tree, noise: Noise) -> Tensor:
        return 0.5 * self.gamma * squared_slope(scene, scene.fake).mean()
