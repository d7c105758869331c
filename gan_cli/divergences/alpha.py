"""The α-divergences."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gan_cli.checks import require
from gan_cli.divergences.base import Divergence
from gan_cli.divergences.stable import Real, expm1, log, log_softplus, softplus


@dataclass(frozen=True)
class Alpha(Divergence):
    """D_α(P‖Q) = ∫ (p^α q^{1-α} - αp - (1-α)q) / (α(α-1)): f = [u^α - 1 - α(u-1)] / (α(α-1)).

    f* = [(t(α-1) + 1)^{α/(α-1)} - 1] / α. For α < 1: t < 1/(1-α) and g_f = 1/(1-α) - softplus(-v), with
    ln σ(V*) = -r^{α-1}/(1-α). For α > 1: t is free, the bracket is clamped at 0 (the supremum is then at
    u = 0), g_f = v and V* = (r^{α-1} - 1)/(α-1). Here r = p/q.
    α = 2, ½ and -1 are half Pearson, twice squared Hellinger and half Neyman; α → 1 and α → 0 are KL and
    reverse KL.

    Errors: ValueError if alpha is 0 or 1, where f is no longer given by this formula, or is not finite.
    Source: f-GAN, tables 1 and 2 (α-divergence).

    >>> Alpha(alpha=2.0).f(torch.tensor(3.0))
    tensor(2.)
    """

    alpha: float = 0.5
    name: ClassVar[str] = "D_α(P‖Q)"

    def __post_init__(self) -> None:
        if not isinstance(self.alpha, Tensor):
            require(math.isfinite(self.alpha), "alpha", "finite", self.alpha)
            require(
                self.alpha != 0, "alpha", "other than 0 (its limit there is fgan_rkl: use that)", self.alpha
            )
            require(
                self.alpha != 1, "alpha", "other than 1 (its limit there is fgan_kl: use that)", self.alpha
            )

    @property
    def domain(self) -> tuple[float, float]:
        return (-math.inf, 1 / (1 - self.alpha) if self.alpha < 1 else math.inf)

    def f(self, u: Tensor) -> Tensor:
        return (u**self.alpha - 1 - self.alpha * (u - 1)) / (self.alpha * (self.alpha - 1))

    def derivative(self, u: Tensor) -> Tensor:
        return (u ** (self.alpha - 1) - 1) / (self.alpha - 1)

    def conjugate(self, t: Tensor) -> Tensor:
        def below(alpha: Real) -> Tensor:
            return ((t * (alpha - 1) + 1) ** (alpha / (alpha - 1)) - 1) / alpha

        return self._either(below, lambda alpha: _clamped(t, alpha))

    def activation(self, v: Tensor) -> Tensor:
        return self._either(lambda alpha: 1 / (1 - alpha) - softplus(-v), lambda alpha: v)

    def conjugate_of_activation(self, v: Tensor) -> Tensor:
        def below(alpha: Real) -> Tensor:
            return expm1(alpha / (alpha - 1) * (log(1 - alpha) + log_softplus(-v)), over=alpha)

        return self._either(below, lambda alpha: _clamped(v, alpha))

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        def below(alpha: Real) -> Tensor:  # σ(V) = e^{-k}, hence V = -ln(e^k - 1)
            k = ((alpha - 1) * log_ratio).exp() / (1 - alpha)
            return -k - (-torch.expm1(-k)).log()

        return self._either(below, lambda alpha: expm1((alpha - 1) * log_ratio, over=alpha - 1))

    def log_ratio(self, score: Tensor) -> Tensor:
        """ln p/q; -∞ where, for α > 1, the score stands for no positive ratio."""

        def below(alpha: Real) -> Tensor:
            return (log(1 - alpha) + log_softplus(-score)) / (alpha - 1)

        return self._either(
            below, lambda alpha: torch.log1p(((alpha - 1) * score).clamp(min=-1.0)) / (alpha - 1)
        )

    def derivative_at_exp(self, v: Tensor) -> Tensor:
        return expm1((self.alpha - 1) * v, over=self.alpha - 1)

    def conjugate_at_exp(self, v: Tensor) -> Tensor:
        return expm1(self.alpha * v, over=self.alpha)

    def _either(self, below: Callable[[Real], Tensor], above: Callable[[Real], Tensor]) -> Tensor:
        """below(α) if α < 1, else above(α); a tensor α runs both, each at a harmless α off its own side."""
        alpha: Real = self.alpha
        if isinstance(alpha, Tensor):
            low = alpha < 1
            return torch.where(low, below(torch.where(low, alpha, 0.5)), above(torch.where(low, 2.0, alpha)))
        return below(alpha) if alpha < 1 else above(alpha)


def _clamped(t: Tensor, alpha: Real) -> Tensor:
    """f*(t) for α > 1. The power never sees the clamped 0, whose higher derivatives are infinite."""
    growth = t * (alpha - 1)
    inside = growth > -1
    power = alpha / (alpha - 1) * torch.log1p(torch.where(inside, growth, 0.0))
    return torch.where(inside, expm1(power, over=alpha), -1 / alpha)
