"""Exponential moving average of the generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from gan_cli.checks import at_least_one, fraction, positive, require
from gan_cli.terms.base import Scene, Side
from gan_cli.types import Noise, Params, Score


class Averaged(NamedTuple):
    """The averaged parameters, and how many moves of the generator there were."""

    average: Params
    moves: Tensor


@dataclass(frozen=True)
class EMA:
    """θ̄ ← βθ̄ + (1−β)θ after each move of the generator, sampled and evaluated in its stead; it costs nothing.

    β is `decay`, or ½^(B/h) for a half-life of h images at batch size B: exactly one of the two is given. At
    most ½^(B/(w·n)) though, n the images before the move, so that the half-life is never more than the
    fraction w = warm_up of the images seen (Karras et al. 2020, their code); with warm_up=null θ̄ starts from
    the initial parameters and β is constant. every: only each n-th move is averaged in, with βⁿ, which keeps
    the half-life. Buffers (BatchNorm's statistics) are the generator's present ones.

    decay in [0, 1), half_life_images > 0, warm_up > 0, batch_size ≥ 1, every ≥ 1, else ValueError.
    """

    batch_size: int
    decay: float | None = None
    half_life_images: float | None = 10000.0
    warm_up: float | None = 0.05
    every: int = 1

    name: ClassVar[str] = "ema"
    side: ClassVar[Side] = "generator"
    per_sample: ClassVar[bool] = False
    of_parameters: ClassVar[bool] = True

    def __post_init__(self) -> None:
        at_least_one(batch_size=self.batch_size, every=self.every)
        if self.decay is not None:
            fraction(decay=self.decay)
            require(self.half_life_images is None, "decay", "null unless half_life_images is", self.decay)
        elif self.half_life_images is None:
            raise ValueError("half_life_images must be given where decay is null, got null")
        if self.half_life_images is not None:
            positive(half_life_images=self.half_life_images)
        if self.warm_up is not None:
            positive(warm_up=self.warm_up)

    def init(self, params: Params) -> Averaged:
        return Averaged(dict(params), next(iter(params.values())).new_zeros((), dtype=torch.int64))

    def draw(self, generator: torch.Generator, shape: torch.Size, dtype: torch.dtype) -> Noise:
        return ()

    def value(self, scene: Scene, memory: Averaged, noise: Noise) -> None:
        return None

    def update(self, memory: Averaged, params: Params, real: Score, fake: Score) -> Averaged:
        moves = memory.moves + 1
        kept = self._kept(moves)
        rate = torch.where(moves % self.every == 0, 1 - kept, 0.0).to(next(iter(params.values())).dtype)
        return Averaged({k: a.lerp(params[k], rate) for k, a in memory.average.items()}, moves)

    def average(self, memory: Averaged) -> Params:
        return memory.average

    def _kept(self, moves: Tensor) -> Tensor:
        """β to the power `every` for the move of that number, [] in float64."""
        images = self.batch_size * self.every
        if self.decay is not None:
            most = self.decay**self.every
        else:
            assert self.half_life_images is not None
            most = 0.5 ** (images / self.half_life_images)
        if self.warm_up is None:
            return torch.zeros_like(moves, dtype=torch.float64) + most
        before = self.batch_size * (moves - self.every).double()
        return torch.exp2(-images / (self.warm_up * before)).clamp(max=most)  # 0 at first: -images / 0 = -∞
