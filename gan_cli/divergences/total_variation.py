"""Total variation distance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gan_cli.divergences.base import Divergence


@dataclass(frozen=True)
class TotalVariation(Divergence):
    """TV(P, Q) = ½ ∫ |p-q|, between 0 and 1: f = ½|u-1|, f* = t for |t| ≤ ½, g_f = ½ tanh v.

    f' is a step, ½ sign(u-1): the best score is ±∞, and a score tells on which side of 1 the density ratio
    lies but not its size, so there is no `log_ratio`.

    Source: f-GAN, supplement (table of further divergences).

    >>> TotalVariation().optimal_score(torch.tensor([-0.1, 0.0, 2.0]))
    tensor([-inf, 0., inf])
    """

    name: ClassVar[str] = "TV(P, Q)"
    smooth: ClassVar[bool] = False

    @property
    def domain(self) -> tuple[float, float]:
        return (-0.5, 0.5)

    def f(self, u: Tensor) -> Tensor:
        return (u - 1).abs() / 2

    def derivative(self, u: Tensor) -> Tensor:
        """½ sign(u - 1); at 1 the middle of the subdifferential [-½, ½]."""
        return (u - 1).sign() / 2

    def conjugate(self, t: Tensor) -> Tensor:
        return t

    def activation(self, v: Tensor) -> Tensor:
        return v.tanh() / 2

    def conjugate_of_activation(self, v: Tensor) -> Tensor:
        return v.tanh() / 2

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        infinite = torch.full_like(log_ratio, math.inf)
        return torch.where(log_ratio == 0, log_ratio, infinite.copysign(log_ratio))
