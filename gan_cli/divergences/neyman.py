"""Neyman's χ² divergence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gan_cli.divergences.base import Divergence
from gan_cli.divergences.stable import expm1


@dataclass(frozen=True)
class Neyman(Divergence):
    """χ²(Q‖P) = ∫ (p-q)²/p: f = (1-u)²/u, f* = 2 - 2√(1-t) for t ≤ 1, g_f = 1 - e^{-v}, V* = 2 ln p/q.

    Source: f-GAN, tables 1 and 2.

    >>> import torch
    >>> Neyman().conjugate_of_activation(torch.tensor(60.0))
    tensor(2.)
    """

    name: ClassVar[str] = "χ²(Q‖P)"

    @property
    def domain(self) -> tuple[float, float]:
        return (-math.inf, 1.0)

    def f(self, u: Tensor) -> Tensor:
        return (1 - u) ** 2 / u

    def derivative(self, u: Tensor) -> Tensor:
        return 1 - u**-2

    def conjugate(self, t: Tensor) -> Tensor:
        return 2 - 2 * (1 - t).sqrt()

    def activation(self, v: Tensor) -> Tensor:
        return -expm1(-v)

    def conjugate_of_activation(self, v: Tensor) -> Tensor:
        return -2 * expm1(-v / 2)

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return 2 * log_ratio

    def log_ratio(self, score: Tensor) -> Tensor:
        return score / 2

    def derivative_at_exp(self, v: Tensor) -> Tensor:
        return -expm1(-2 * v)

    def conjugate_at_exp(self, v: Tensor) -> Tensor:
        return -2 * expm1(-v)
