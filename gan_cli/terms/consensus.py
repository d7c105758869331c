"""Consensus optimisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gan_cli.checks import at_least_one, nonnegative
from gan_cli.terms.base import Memoryless, Scene, Side
from gan_cli.types import Noise, Tree


def consensus(weight: float = 10.0, every: int = 1) -> tuple[Consensus, Consensus]:
    """Both players' terms, each with the same arguments as `Consensus`."""
    return Consensus("generator", weight, every), Consensus("critic", weight, every)


@dataclass(frozen=True)
class Consensus(Memoryless):
    """γ·½‖v‖², added to a player's loss (Mescheder et al. 2017, algorithm 2).

    v is the gradient field of the two losses without terms, of the move's batch: both players so agree to
    make it small. With the alternating order each sees the other as it stands in its own move, the paper's
    simultaneous moves are trick=[consensus,simultaneous]. weight γ ≥ 0; it acts in every `every`-th round,
    every ≥ 1. Raises ValueError otherwise.
    """

    side: Side
    weight: float = 10.0
    every: int = 1

    name: ClassVar[str] = "consensus"
    per_sample: ClassVar[bool] = False

    def __post_init__(self) -> None:
        nonnegative(weight=self.weight)
        at_least_one(every=self.every)

    def value(self, scene: Scene, memory: Tree, noise: Noise) -> Tensor:
        return self.weight * scene.energy(scene.params)
