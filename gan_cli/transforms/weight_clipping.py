"""Weight clipping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from gan_cli.checks import positive
from gan_cli.transforms.base import Place
from gan_cli.types import Params, Tree


@dataclass(frozen=True)
class WeightClipping:
    """θ ← clip(θ + u, −c, c) for all parameters of the critic (Arjovsky et al. 2017, algorithm 1, line 7).

    As an update, clip(θ + u, −c, c) − θ: the last transform of all, so that every move of the critic ends
    within c to rounding, unrolled moves and looks ahead included. c > 0, else ValueError.
    """

    c: float = 0.01
    place: ClassVar[Place] = Place(("critic",), 100)

    def __post_init__(self) -> None:
        positive(c=self.c)

    def init(self, params: Params) -> Tree:
        return ()

    def update(self, gradients: Params, memory: Tree, params: Params) -> tuple[Params, Tree]:
        clipped = {k: torch.clamp(params[k] + u, -self.c, self.c) for k, u in gradients.items()}
        return {k: x.to(params[k].dtype) - params[k] for k, x in clipped.items()}, ()
