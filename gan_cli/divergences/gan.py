"""The divergence of the original GAN."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gan_cli.divergences.base import LogRatioDivergence
from gan_cli.divergences.stable import softplus


@dataclass(frozen=True)
class GAN(LogRatioDivergence):
    """2·JSD(P, Q) - ln 4, the value of the minimax game at its best critic: f = u ln u - (u+1) ln(u+1).

    f* = -ln(1 - e^t) for t < 0, g_f = -softplus(-v) = ln σ(v), f*(g_f(v)) = softplus(v), V* = ln p/q. Here
    f(1) = -ln 4, not 0: that is the value where P = Q, and 0 is the largest there is.

    Source: f-GAN, tables 1 and 2 and equation (8); Goodfellow et al. (2014), theorem 1.

    >>> GAN().conjugate_of_activation(torch.tensor(40.0))
    tensor(40.)
    """

    name: ClassVar[str] = "2·JSD(P, Q) - ln 4"

    @property
    def domain(self) -> tuple[float, float]:
        return (-math.inf, 0.0)

    def f(self, u: Tensor) -> Tensor:
        return torch.xlogy(u, u / (1 + u)) - torch.log1p(u)

    def derivative(self, u: Tensor) -> Tensor:
        return (u / (1 + u)).log()

    def conjugate(self, t: Tensor) -> Tensor:
        return -(-torch.expm1(t)).log()

    def activation(self, v: Tensor) -> Tensor:
        return -softplus(-v)

    def conjugate_of_activation(self, v: Tensor) -> Tensor:
        return softplus(v)
