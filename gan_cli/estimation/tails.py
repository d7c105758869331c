"""Whether a mean may be trusted: the tail of what is averaged, and on how many examples it rests."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

LIMIT = 0.7
"""The tail index from which on a mean is not to be trusted at any sample size that one has."""
FEWEST = 50
"""Effective examples below which a standard error is itself no better than to 1/√50 = 14 %. Where the
variance is infinite there are few however large the sample is."""
_LEAST_TAIL = 5


@dataclass(frozen=True)
class Tail:
    """What `tail` finds. k: the Pareto index of the heavier end; effective: examples that the variance rests
    on; few: what the 50 farthest values add to the mean, or take from it, at most.

    Moments of order below 1/k exist: the variance does for k < ½, the mean for k < 1.
    """

    k: float
    effective: float
    few: float

    @property
    def light(self) -> bool:
        """Whether the mean and its standard error may be trusted."""
        return self.k < LIMIT and self.effective >= FEWEST


def tail(values: Tensor) -> Tail:
    """The tail of a sample, [n]: the larger k of its two ends, and (Σd²)²/Σd⁴ with d = value − mean.

    The second is n over the kurtosis, about the number of examples that make the variance; a constant
    sample has all n. A sample that is not finite has k = ∞ and rests on none.
    """
    if not bool(values.isfinite().all()):
        return Tail(math.inf, 0.0, math.inf)
    x = values.double()
    square = (x - x.mean()).square()
    largest = square.max()
    if float(largest) == 0:
        return Tail(-math.inf, float(len(x)), 0.0)
    few = float(square.topk(min(FEWEST, len(x))).values.sqrt().sum()) / len(x)
    square = square / largest  # so that no fourth power overflows
    effective = float(square.sum().square() / square.square().sum())
    return Tail(max(pareto_k(x), pareto_k(-x)), effective, few)


def doubts_of(what: str, side: str, t: Tail, size: float) -> list[str]:
    """Why a mean is not to be trusted to 1 % of `size`."""
    if t.light or t.few < 0.01 * abs(size):
        return []
    whose = f"the {what} mean over {side}"
    if math.isinf(t.k) and not t.effective:
        return [f"{whose} is not finite"]
    return [
        f"{whose} rests on few examples ({t.effective:.0f} effective ones, to be {FEWEST} or more; Pareto k "
        f"{t.k:.2f}, to be below {LIMIT}; {FEWEST} values move it by {t.few:.2g}): neither the number nor "
        "its interval can be trusted"
    ]


def pareto_k(values: Tensor) -> float:
    """The index k of a generalised Pareto distribution fitted to the largest min(n/5, 3√n) values, [n].

    k = −∞ where the largest values are all equal. The estimate is drawn towards ½ as if by ten more examples.

    Source: Vehtari, Simpson, Gelman, Yao and Gabry, Pareto Smoothed Importance Sampling (2024), sections 3.2
    and appendix on the prior.

    >>> u = (torch.arange(20000, dtype=torch.float64) + 0.5) / 20000
    >>> round(pareto_k(u ** -0.7), 1), round(pareto_k(-u.log()), 1), pareto_k(u) < 0
    (0.7, 0.0, True)
    """
    count = int(min(len(values) / 5, 3 * math.sqrt(len(values))))
    if count < _LEAST_TAIL:
        return math.inf
    top = values.double().topk(count + 1).values
    excess = (top[:-1] - top[-1]).flip(0)
    if float(excess[-1]) <= 0:
        return -math.inf
    return (count * _fitted(excess) + 10 * 0.5) / (count + 10)


def _fitted(excess: Tensor) -> float:
    """k of excesses in ascending order, [m], by a posterior mean over a grid of θ = −k/σ.

    For fixed θ the likelihood is greatest at k(θ) = mean ln(1 − θx), where it is
    m·(ln(−θ/k) − k − 1); θ has the prior that Zhang and Stephens propose.

    Source: Zhang and Stephens, A New and Efficient Estimation Method for the Generalized Pareto Distribution
    (2009).
    """
    m = len(excess)
    number = 30 + int(math.sqrt(m))
    quartile = excess[max(int(m / 4 + 0.5) - 1, 0)].clamp(min=1e-12 * float(excess[-1]))
    j = torch.arange(1, number + 1, dtype=torch.float64, device=excess.device)
    theta = 1 / excess[-1] + (1 - (number / (j - 0.5)).sqrt()) / (3 * quartile)
    k = torch.log1p(-theta[:, None] * excess).mean(1)
    likelihood = m * ((-theta / k).log() - k - 1)
    weights = torch.softmax(likelihood.nan_to_num(-math.inf), 0)
    best = (weights * theta).sum()
    return float(torch.log1p(-best * excess).mean())
