"""Reverse Kullback-Leibler divergence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from gan_cli.divergences.base import LogRatioDivergence


@dataclass(frozen=True)
class ReverseKL(LogRatioDivergence):
    """KL(Q‖P) = ∫ q ln(q/p): f = -ln u, f* = -1 - ln(-t) for t < 0, g_f = -e^{-v}, V* = ln p/q.

    Source: f-GAN, tables 1 and 2.

    >>> import torch
    >>> ReverseKL().conjugate_of_activation(torch.tensor(60.0))
    tensor(59.)
    """

    name: ClassVar[str] = "KL(Q‖P)"

    @property
    def domain(self) -> tuple[float, float]:
        return (-math.inf, 0.0)

    def f(self, u: Tensor) -> Tensor:
        return -u.log()

    def derivative(self, u: Tensor) -> Tensor:
        return -1 / u

    def conjugate(self, t: Tensor) -> Tensor:
        return -1 - (-t).log()

    def activation(self, v: Tensor) -> Tensor:
        return -(-v).exp()

    def conjugate_of_activation(self, v: Tensor) -> Tensor:
        return v - 1
