"""Gradient clipping."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gan_cli.calculus import norm
from gan_cli.checks import positive
from gan_cli.types import Params, Tree


@dataclass(frozen=True)
class GradientClipping:
    """g ← g · min(1, c / (‖g‖₂ + 1e-6)) over a player's whole gradient, as torch's clip_grad_norm_.

    max_norm c > 0, else ValueError. Comes before the optimiser (Pascanu et al. 2013, algorithm 1).
    """

    max_norm: float = 1.0

    def __post_init__(self) -> None:
        positive(max_norm=self.max_norm)

    def init(self, params: Params) -> Tree:
        return ()

    def update(self, gradients: Params, memory: Tree, params: Params) -> tuple[Params, Tree]:
        factor = torch.clamp(self.max_norm / (norm(gradients) + 1e-6), max=1.0)
        return {k: g * factor for k, g in gradients.items()}, ()
