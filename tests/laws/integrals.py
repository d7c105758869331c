"""Two pairs of Gaussians, and the divergences between them by numerical integration."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pytest
import torch
from scipy import integrate
from torch import Tensor

from gan_cli.divergences.base import Divergence
from gan_cli.losses.base import Loss

X = TypeVar("X", float, Tensor)


@dataclass(frozen=True)
class Gaussians:
    """P = N(m, s²) and Q = N(n, t²) on the line."""

    m: float
    s: float
    n: float
    t: float

    def log_p(self, x: X) -> X:
        return -(((x - self.m) / self.s) ** 2) / 2 - math.log(self.s * math.sqrt(2 * math.pi))

    def log_q(self, x: X) -> X:
        return -(((x - self.n) / self.t) ** 2) / 2 - math.log(self.t * math.sqrt(2 * math.pi))

    def log_ratio(self, x: X) -> X:
        return self.log_p(x) - self.log_q(x)

    def densities(self, x: float) -> tuple[float, float]:
        return math.exp(self.log_p(x)), math.exp(self.log_q(x))

    def edges(self) -> list[float]:
        """Ends of the line, and the points where p = q: what has a kink has it there."""
        a = 1 / self.t**2 - 1 / self.s**2
        b = 2 * (self.m / self.s**2 - self.n / self.t**2)
        c = self.n**2 / self.t**2 - self.m**2 / self.s**2 + 2 * math.log(self.t / self.s)
        roots = [float(r.real) for r in np.roots([a, b, c]) if abs(r.imag) < 1e-12]
        return sorted([-14.0, 14.0, *(r for r in roots if abs(r) < 14)])

    def integral(self, integrand: Callable[[float], float]) -> float:
        """∫ over the line by adaptive quadrature."""
        pieces = itertools.pairwise(self.edges())
        options = {"epsabs": 1e-11, "epsrel": 1e-11, "limit": 200}
        return sum(float(integrate.quad(integrand, low, high, **options)[0]) for low, high in pieces)

    def nodes(self) -> tuple[Tensor, Tensor, Tensor]:
        """Points of a Gauss-Legendre rule, 200 a piece, and its weights times p and times q."""
        x, w = np.polynomial.legendre.leggauss(200)
        pieces = list(itertools.pairwise(self.edges()))
        points = torch.from_numpy(np.concatenate([(b - a) / 2 * x + (b + a) / 2 for a, b in pieces]))
        weights = torch.from_numpy(np.concatenate([(b - a) / 2 * w for a, b in pieces]))
        return points, weights * self.log_p(points).exp(), weights * self.log_q(points).exp()


# Chosen so that every divergence tried is finite in both: χ² and α = 3 bound the ratio of the variances.
PAIRS = [Gaussians(0.0, 1.0, 0.6, 1.1), Gaussians(0.4, 1.1, -0.2, 1.0)]
pairs = pytest.mark.parametrize("pair", PAIRS, ids=str)


def expected_bound(loss: Loss, pair: Gaussians, score: Callable[[Tensor], Tensor]) -> float:
    """loss.bound under the whole of P and Q, for the critic score(ln p/q).

    Scores go in one by one and are averaged outside, each with each where the loss compares pairs. The bound
    of a loss that is a sum is a sum too: there a fixed score stands in for the other side.
    """
    x, p, q = pair.nodes()
    v = score(pair.log_ratio(x))
    one = torch.vmap(lambda real, fake: loss.bound(real[None], fake[None]))
    if loss.paired:
        size = len(v)
        return float(p @ one(v.repeat_interleave(size), v.repeat(size)).view(size, size) @ q)
    fixed = score(torch.zeros_like(v))
    return float(p @ one(v, fixed) + q @ one(fixed, v) - one(fixed, fixed)[0])


def by_definition(divergence: Divergence, pair: Gaussians) -> float:
    """∫ q f(p/q) dx."""

    def integrand(x: float) -> float:
        u = torch.tensor(math.exp(pair.log_ratio(x)), dtype=torch.float64)
        return math.exp(pair.log_q(x)) * divergence.f(u).item()

    return pair.integral(integrand)


def jensen_shannon(pair: Gaussians) -> float:
    def integrand(x: float) -> float:
        p, q = pair.densities(x)
        return (p * math.log(2 * p / (p + q)) + q * math.log(2 * q / (p + q))) / 2

    return pair.integral(integrand)


def triangular(pair: Gaussians) -> float:
    def integrand(x: float) -> float:
        p, q = pair.densities(x)
        return (p - q) ** 2 / (p + q)

    return pair.integral(integrand)


def total_variation(pair: Gaussians) -> float:
    return pair.integral(lambda x: abs(pair.densities(x)[0] - pair.densities(x)[1]) / 2)


def pairing(pair: Gaussians) -> float:
    """JSD(P⊗Q, Q⊗P) by the trapezoid rule in the plane, which converges exponentially for such integrands."""
    x = torch.linspace(-14, 14, 1401, dtype=torch.float64)
    log_a = pair.log_p(x)[:, None] + pair.log_q(x)
    log_b = log_a.T
    log_m = torch.logaddexp(log_a, log_b) - math.log(2)
    total = (log_a.exp() * (log_a - log_m) + log_b.exp() * (log_b - log_m)).sum() / 2
    return float(total * (x[1] - x[0]) ** 2)


# By the name that a loss gives its divergence. A new loss with an optimal score adds its own, unless it is an
# f-GAN: that one brings its integral with it.
TRUTH: dict[str, Callable[[Gaussians], float]] = {
    "2·JSD(P, Q) - ln 4": lambda pair: 2 * jensen_shannon(pair) - math.log(4),
    "2·JSD(P, Q)": lambda pair: 2 * jensen_shannon(pair),
    "Δ(P, Q)": triangular,
    "TV(P, Q)": total_variation,
    "JSD(P⊗Q, Q⊗P)": pairing,
}
