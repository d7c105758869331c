"""Historical averaging."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from gan_cli.checks import at_least_one, nonnegative
from gan_cli.terms.base import Scene, Side
from gan_cli.types import Noise, Params, Score


class Past(NamedTuple):
    """The mean of a player's parameters so far, and of how many: the initial ones are the first."""

    mean: Params
    size: Tensor


def historical_averaging(
    generator: float = 1.0, critic: float = 1.0, every: int = 1
) -> tuple[HistoricalAveraging, ...]:
    """A term for each player, weighted by its argument; a player with weight 0 gets none.

    Raises ValueError for weights below 0 and every < 1.
    """
    nonnegative(generator=generator, critic=critic)
    both = HistoricalAveraging("generator", generator, every), HistoricalAveraging("critic", critic, every)
    return tuple(term for term in both if term.weight != 0)


@dataclass(frozen=True)
class HistoricalAveraging:
    """λ‖θ − θ̄‖², added to a player's loss (Salimans et al. 2016, section 3.3).

    θ̄ = (1/t) Σᵢ θᵢ is the mean of the player's past parameters: the initial ones, those after each of its
    moves, and last the present ones; a move holds it fixed. In rounds where the term rests θ̄ goes on, so that
    it is always the mean of all. weight λ ≥ 0; it acts in every `every`-th round, every ≥ 1, else ValueError.
    """

    side: Side
    weight: float = 1.0
    every: int = 1

    name: ClassVar[str] = "historical_averaging"
    per_sample: ClassVar[bool] = False
    of_parameters: ClassVar[bool] = True

    def __post_init__(self) -> None:
        nonnegative(weight=self.weight)
        at_least_one(every=self.every)

    def init(self, params: Params) -> Past:
        return Past(dict(params), next(iter(params.values())).new_ones((), dtype=torch.int64))

    def draw(self, generator: torch.Generator, shape: torch.Size, dtype: torch.dtype) -> Noise:
        return ()

    def value(self, scene: Scene, memory: Past, noise: Noise) -> Tensor:
        squares = [(p - memory.mean[k]).square().sum() for k, p in scene.params.items()]
        return self.weight * torch.stack(squares).sum()

    def update(self, memory: Past, params: Params, real: Score, fake: Score) -> Past:
        size = memory.size + 1
        return Past({k: m + (params[k] - m) / size for k, m in memory.mean.items()}, size)
