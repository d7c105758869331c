"""What an f-divergence is: a convex function f with its conjugate, and how a critic's output becomes T."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor


class Divergence(ABC):
    """D_f(P‖Q) = ∫ q f(p/q) dx = sup_T E_P[T] - E_Q[f*(T)], the supremum at T*(x) = f'(p/q).

    A critic's unbounded score V becomes T = g_f(V), which lies in dom f*. Every method works element by
    element on tensors of any shape and dtype and is differentiable to any order inside its domain. A new
    divergence needs `f`, `derivative` and `conjugate`, an `activation` and `domain` where f* is not finite
    everywhere, and whatever of the rest has a form that is safer in float32 than the default.

    Source: Nowozin, Cseke and Tomioka, f-GAN (2016), equations (2) to (5), tables 1 and 2.
    """

    name: ClassVar[str] = "D_f(P‖Q)"
    """What the value of the integral is called."""
    smooth: ClassVar[bool] = True
    """False where f' is a step function, so that T = f'(e^v) would have no gradient."""

    @abstractmethod
    def f(self, u: Tensor) -> Tensor:
        """f(u) for u > 0, convex, f(1) = 0 (the GAN row alone has f(1) = -ln 4)."""

    @abstractmethod
    def derivative(self, u: Tensor) -> Tensor:
        """f'(u) for u > 0: the T that is best where p/q = u. f'(1) is the threshold between real and fake."""

    @abstractmethod
    def conjugate(self, t: Tensor) -> Tensor:
        """f*(t) = sup_u tu - f(u) for t in dom f*."""

    @property
    def domain(self) -> tuple[float, float]:
        """The interior of dom f*; an end belongs to dom f* where f* is finite there."""
        return (-math.inf, math.inf)

    def activation(self, v: Tensor) -> Tensor:
        """g_f(v): any real v, increasing, into dom f*."""
        return v

    def conjugate_of_activation(self, v: Tensor) -> Tensor:
        """f*(g_f(v)) in one step: the two-step form overflows or cancels in float32."""
        return self.conjugate(self.activation(v))

    def optimal_score(self, log_ratio: Tensor) -> Tensor | None:
        """The v with g_f(v) = f'(p/q), from ln p/q; None where nobody has worked it out."""
        return None

    def log_ratio(self, score: Tensor) -> Tensor | None:
        """ln p/q of the v with g_f(v) = f'(p/q): undoes `optimal_score`; None where that cannot be."""
        return None

    def derivative_at_exp(self, v: Tensor) -> Tensor:
        """f'(e^v), the T of a critic whose score is the log density ratio itself."""
        return self.derivative(v.exp())

    def conjugate_at_exp(self, v: Tensor) -> Tensor:
        """f*(f'(e^v)) = e^v f'(e^v) - f(e^v), by Fenchel and Young's equality."""
        u = v.exp()
        return u * self.derivative(u) - self.f(u)


class LogRatioDivergence(Divergence):
    """A divergence whose g_f is f'(e^v) itself, so that the best V is ln p/q in either parametrisation."""

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return log_ratio

    def log_ratio(self, score: Tensor) -> Tensor:
        return score

    def derivative_at_exp(self, v: Tensor) -> Tensor:
        return self.activation(v)

    def conjugate_at_exp(self, v: Tensor) -> Tensor:
        return self.conjugate_of_activation(v)
