"""Squared Hellinger distance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gan_cli.divergences.base import Divergence
from gan_cli.divergences.stable import expm1


@dataclass(frozen=True)
class Hellinger(Divergence):
    """H²(P, Q) = ∫ (√p - √q)²: f = (√u-1)², f* = t/(1-t) for t < 1, g_f = 1 - e^{-v}, V* = ½ ln p/q.

    Between 0 and 2: some authors halve it.

    Source: f-GAN, tables 1 and 2.

    >>> import torch
    >>> Hellinger().conjugate_of_activation(torch.tensor(-100.0))
    tensor(-1.)
    """

    name: ClassVar[str] = "H²(P, Q)"

    @property
    def domain(self) -> tuple[float, float]:
        return (-math.inf, 1.0)

    def f(self, u: Tensor) -> Tensor:
        return (u.sqrt() - 1) ** 2

    def derivative(self, u: Tensor) -> Tensor:
        return 1 - u.rsqrt()

    def conjugate(self, t: Tensor) -> Tensor:
        return t / (1 - t)

    def activation(self, v: Tensor) -> Tensor:
        return -expm1(-v)

    def conjugate_of_activation(self, v: Tensor) -> Tensor:
        return expm1(v)

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return log_ratio / 2

    def log_ratio(self, score: Tensor) -> Tensor:
        return 2 * score

    def derivative_at_exp(self, v: Tensor) -> Tensor:
        return -expm1(-v / 2)

    def conjugate_at_exp(self, v: Tensor) -> Tensor:
        return expm1(v / 2)
