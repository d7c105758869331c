"""Laws on the line by quadrature: their divergence, the Gaussian that minimises it, and a critic's bound."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy.optimize import minimize
from torch import Tensor

from gan_cli.data.base import Distribution
from gan_cli.divergences.base import Divergence
from gan_cli.losses.fgan import FGAN
from gan_cli.types import Score

_REACH, _POINTS_A_SCALE = 12.0, 25.0


@dataclass(frozen=True)
class Line:
    """Evenly spaced points x, [N, 1] in float64, that hold a law p on the line, and ln p there, [N]."""

    x: Tensor
    log_p: Tensor

    @staticmethod
    def of(law: Distribution) -> Line:
        """From twelve deviations left of all modes to as far right, 25 points to the least deviation."""
        modes, scale = law.modes.double()[:, 0], law.scale.double()
        low, high = float((modes - _REACH * scale).min()), float((modes + _REACH * scale).max())
        count = math.ceil((high - low) / float(scale.min()) * _POINTS_A_SCALE)
        x = torch.linspace(low, high, count, dtype=torch.float64)[:, None]
        return Line(x, law.log_density(x))

    def log_normal(self, mean: float, std: float) -> Tensor:
        """ln N(x; mean, std²), [N]."""
        z = (self.x[:, 0] - mean) / std
        return -z.square() / 2 - math.log(std * math.sqrt(2 * math.pi))

    def integral(self, values: Tensor) -> float:
        """∫ of what has these values at x, by the trapezoid rule, whose error for smooth laws is nil."""
        return float(torch.trapezoid(values, self.x[:, 0]))


def divergence_of(divergence: Divergence, line: Line, mean: float, std: float) -> float:
    """D_f(P‖N(mean, std²)) = ∫ q f(p/q)."""
    log_q = line.log_normal(mean, std)
    return line.integral(log_q.exp() * divergence.f((line.log_p - log_q).exp()))


def bound_of(loss: FGAN, line: Line, score: Score, mean: float, std: float) -> float:
    """E_P[T] − E_Q[f*(T)] of a critic with these scores at line.x, [N], for Q = N(mean, std²), exactly."""
    score = score.double()
    on_p, on_q = line.log_p.exp(), line.log_normal(mean, std).exp()
    return line.integral(on_p * loss.statistic(score) - on_q * loss.conjugate(score))


@dataclass(frozen=True)
class Optimum:
    """The Gaussian nearest to a law, and how far it is."""

    mean: float
    std: float
    value: float


def optimum(divergence: Divergence, line: Line) -> Optimum:
    """The μ, σ that minimise D_f(P‖N(μ, σ²)), from P's own moments on, by Nelder and Mead's method."""
    p, x = line.log_p.exp(), line.x[:, 0]
    mean = line.integral(p * x)
    start = [mean, 0.5 * math.log(line.integral(p * (x - mean) ** 2))]

    def value(at: list[float]) -> float:
        return divergence_of(divergence, line, at[0], math.exp(at[1]))

    found = minimize(value, start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12})
    return Optimum(float(found.x[0]), math.exp(float(found.x[1])), float(found.fun))
