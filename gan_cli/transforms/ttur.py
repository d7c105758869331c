"""Two time-scale update rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gan_cli.checks import positive
from gan_cli.transforms.base import Place
from gan_cli.types import Params, Tree


@dataclass(frozen=True)
class TTUR:
    """u ← ratio · u for the critic, right after its optimiser (Heusel et al. 2017, section 2).

    Every optimiser here is linear in its learning rate, so this is the run with optimizer.critic.lr times
    ratio. ratio > 0, else ValueError.
    """

    ratio: float = 4.0
    place: ClassVar[Place] = Place(("critic",), 1)

    def __post_init__(self) -> None:
        positive(ratio=self.ratio)

    def init(self, params: Params) -> Tree:
        return ()

    def update(self, gradients: Params, memory: Tree, params: Params) -> tuple[Params, Tree]:
        return {k: self.ratio * u for k, u in gradients.items()}, ()
