"""LeCam regularisation of the critic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from gan_cli.checks import at_least_one, fraction, nonnegative
from gan_cli.terms.base import Scene, Side
from gan_cli.types import Noise, Params, Score


class Anchors(NamedTuple):
    """Running means of the critic's scores on real and on generated examples, and how many moves they saw."""

    real: Tensor
    fake: Tensor
    moves: Tensor


@dataclass(frozen=True)
class LeCam:
    """λ(E_P(V(x) − α_Q)² + E_Q(V(x) − α_P)²), added to the critic's loss (Tseng et al. 2021).

    The anchors α_P, α_Q are exponential means of the critic's past scores on real and on generated examples,
    α ← γα + (1−γ)·score, each divided by 1 − γᵗ, its weights' sum after t moves; before the first move there
    are none and the term is 0. They go on in rounds where the term rests. This is the paper's formula; the
    authors' code cuts both differences off below 0 and counts the present scores in. weight λ ≥ 0, decay γ in
    [0, 1); it acts in every `every`-th round, every ≥ 1. Raises ValueError otherwise.
    """

    weight: float = 0.3
    decay: float = 0.99
    every: int = 1

    name: ClassVar[str] = "lecam"
    side: ClassVar[Side] = "critic"
    per_sample: ClassVar[bool] = False

    def __post_init__(self) -> None:
        nonnegative(weight=self.weight)
        fraction(decay=self.decay)
        at_least_one(every=self.every)

    def init(self, params: Params) -> Anchors:
        like = next(iter(params.values()))
        return Anchors(like.new_zeros(()), like.new_zeros(()), like.new_zeros((), dtype=torch.float64))

    def draw(self, generator: torch.Generator, shape: torch.Size, dtype: torch.dtype) -> Noise:
        return ()

    def value(self, scene: Scene, memory: Anchors, noise: Noise) -> Tensor:
        real = (scene.real_score - memory.fake).square().mean()
        fake = (scene.fake_score - memory.real).square().mean()
        return torch.where(memory.moves > 0, self.weight * (real + fake), 0.0)

    def update(self, memory: Anchors, params: Params, real: Score, fake: Score) -> Anchors:
        moves = memory.moves + 1
        # α/(1 − γᵗ) obeys the same recursion with this rate in the place of 1 − γ; it is 1 at first.
        rate = ((1 - self.decay) / (1 - self.decay**moves)).to(real.dtype)
        return Anchors(memory.real.lerp(real.mean(), rate), memory.fake.lerp(fake.mean(), rate), moves)
