"""Pearson's χ² divergence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gan_cli.divergences.base import Divergence
from gan_cli.divergences.stable import expm1


@dataclass(frozen=True)
class Pearson(Divergence):
    """χ²(P‖Q) = ∫ (p-q)²/q: f = (u-1)², f* = t²/4 + t, g_f = v, V* = 2(p/q - 1).

    The f-GAN paper prints the integral as ∫ (q-p)²/p, which belongs to Neyman's f; f and ∫ q f(p/q) are taken
    as the definition here. f* is the supremum over all real u, as the paper has it. Over u ≥ 0 it would be -1
    for t < -2: the bound is valid either way, tight at T* > -2, and keeps its gradient this way.

    Source: f-GAN, tables 1 and 2.

    >>> Pearson().log_ratio(torch.tensor([0.0, -3.0]))
    tensor([0., -inf])
    """

    name: ClassVar[str] = "χ²(P‖Q)"

    def f(self, u: Tensor) -> Tensor:
        return (u - 1) ** 2

    def derivative(self, u: Tensor) -> Tensor:
        return 2 * (u - 1)

    def conjugate(self, t: Tensor) -> Tensor:
        return t**2 / 4 + t

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return 2 * expm1(log_ratio)

    def log_ratio(self, score: Tensor) -> Tensor:
        """ln(1 + v/2); -∞ where the score stands for no positive ratio."""
        return torch.log1p((score / 2).clamp(min=-1.0))

    def derivative_at_exp(self, v: Tensor) -> Tensor:
        return 2 * expm1(v)

    def conjugate_at_exp(self, v: Tensor) -> Tensor:
        return expm1(2 * v)
