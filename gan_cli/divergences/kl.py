"""Kullback-Leibler divergence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gan_cli.divergences.base import Divergence


@dataclass(frozen=True)
class KL(Divergence):
    """KL(P‖Q) = ∫ p ln(p/q): f = u ln u, f* = e^{t-1}, g_f = v, V* = 1 + ln p/q.

    Source: f-GAN, tables 1 and 2.

    >>> KL().optimal_score(torch.tensor(0.0))
    tensor(1.)
    """

    name: ClassVar[str] = "KL(P‖Q)"

    def f(self, u: Tensor) -> Tensor:
        return torch.xlogy(u, u)

    def derivative(self, u: Tensor) -> Tensor:
        return 1 + u.log()

    def conjugate(self, t: Tensor) -> Tensor:
        return (t - 1).exp()

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return 1 + log_ratio

    def log_ratio(self, score: Tensor) -> Tensor:
        return score - 1

    def derivative_at_exp(self, v: Tensor) -> Tensor:
        return 1 + v

    def conjugate_at_exp(self, v: Tensor) -> Tensor:
        return v.exp()
