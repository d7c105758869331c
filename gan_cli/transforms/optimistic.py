"""Optimistic mirror descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gan_cli.transforms.base import Place, zeros
from gan_cli.types import Params


@dataclass(frozen=True)
class Optimistic:
    """uₜ ← 2uₜ − uₜ₋₁ for both players, u the optimiser's updates (Daskalakis et al. 2018, section 2).

    The past update stands for the one that is to come: θₜ₊₁ = θₜ + uₜ + (uₜ − uₜ₋₁). With Adam it is the
    paper's Optimistic Adam (algorithm 1). Before the first step u₀ = 0, as there, so that step is doubled.
    """

    place: ClassVar[Place] = Place(("generator", "critic"), 2)

    def init(self, params: Params) -> Params:
        return zeros(params)

    def update(self, gradients: Params, memory: Params, params: Params) -> tuple[Params, Params]:
        return {k: 2 * u - memory[k] for k, u in gradients.items()}, gradients
