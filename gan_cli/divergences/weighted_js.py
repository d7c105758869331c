"""Weighted Jensen-Shannon divergence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gan_cli.checks import require
from gan_cli.divergences.base import Divergence
from gan_cli.divergences.stable import log, logit, minus_log1m_sigmoid_power, softplus


@dataclass(frozen=True)
class WeightedJensenShannon(Divergence):
    """π KL(P‖M) + (1-π) KL(Q‖M) with M = πP + (1-π)Q; half of `JensenShannon` at π = ½.

    f = πu ln u - (1-π+πu) ln(1-π+πu); f* = (1-π) ln[(1-π)/(1-π e^{t/π})] for t < -π ln π;
    g_f = -π ln π - softplus(-v); f*(g_f(v)) = (1-π) [ln(1-π) - ln(1 - σ(v)^{1/π})];
    V* solves ln σ(V*) = π ln σ(ln p/q + logit π).

    Errors: ValueError unless 0 < pi < 1. Source: f-GAN, tables 1 and 2.

    >>> WeightedJensenShannon(pi=0.5).optimal_score(torch.tensor(0.0, dtype=torch.float64)).item()
    0.8813735870195429
    """

    pi: float = 0.5
    name: ClassVar[str] = "π KL(P‖M) + (1-π) KL(Q‖M)"

    def __post_init__(self) -> None:
        if not isinstance(self.pi, Tensor):
            require(0 < self.pi < 1, "pi", "strictly between 0 and 1", self.pi)

    @property
    def domain(self) -> tuple[float, float]:
        return (-math.inf, -self.pi * math.log(self.pi))

    def f(self, u: Tensor) -> Tensor:
        mixed = 1 - self.pi + self.pi * u
        return self.pi * torch.xlogy(u, u / mixed) - (1 - self.pi) * mixed.log()

    def derivative(self, u: Tensor) -> Tensor:
        return self.pi * (u / (1 - self.pi + self.pi * u)).log()

    def conjugate(self, t: Tensor) -> Tensor:
        return (1 - self.pi) * (log(1 - self.pi) - torch.log1p(-self.pi * (t / self.pi).exp()))

    def activation(self, v: Tensor) -> Tensor:
        return -self.pi * log(self.pi) - softplus(-v)

    def conjugate_of_activation(self, v: Tensor) -> Tensor:
        return (1 - self.pi) * (log(1 - self.pi) + minus_log1m_sigmoid_power(v, 1 / self.pi))

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        x = log_ratio + logit(self.pi)
        return minus_log1m_sigmoid_power(x, self.pi) - self.pi * softplus(-x)

    def log_ratio(self, score: Tensor) -> Tensor:
        x = minus_log1m_sigmoid_power(score, 1 / self.pi) - softplus(-score) / self.pi
        return x - logit(self.pi)

    def derivative_at_exp(self, v: Tensor) -> Tensor:
        return -self.pi * (log(self.pi) + softplus(-v - logit(self.pi)))

    def conjugate_at_exp(self, v: Tensor) -> Tensor:
        return (1 - self.pi) * (log(1 - self.pi) + softplus(v + logit(self.pi)))
