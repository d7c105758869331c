"""A bound as a mean of independent parts, from which its standard error follows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gan_cli.losses.base import Loss
from gan_cli.losses.fgan import FGAN
from gan_cli.types import Score

NORMAL_95 = 1.959963984540054


@dataclass(frozen=True)
class Parts:
    """bound = mean(real) + mean(fake): [n], [m]; fake is empty where the loss compares pairs."""

    real: Tensor
    fake: Tensor

    @property
    def mean(self) -> float:
        """The bound."""
        return float(self.real.mean()) + (float(self.fake.mean()) if len(self.fake) else 0.0)

    @property
    def standard_error(self) -> float:
        """√(Var(real)/n + Var(fake)/m): the parts are independent, and the bound is linear in them."""
        sides = [side for side in (self.real, self.fake) if len(side)]
        return math.sqrt(sum(float(side.var()) / len(side) for side in sides))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval, mean ± 1.96 standard errors."""
        half = NORMAL_95 * self.standard_error
        return self.mean - half, self.mean + half


def parts(loss: Loss, real: Score, fake: Score) -> Parts:
    """The parts of `loss.bound` in float64: [n], [m] -> Parts.

    Every bound here is linear in the two empirical laws, so it is the mean of its values on single examples:
    B(x, y) = a(x) + b(y). Of a loss that compares pairs, those of min(n, m) disjoint pairs.
    """
    real, fake = real.double(), fake.double()
    if loss.paired:
        n = min(len(real), len(fake))
        return Parts(_single(loss, real[:n], fake[:n]), fake.new_zeros(0))
    zero = real.new_zeros(())
    level = loss.bound(zero[None], zero[None])
    on_real = _single(loss, real, zero.expand(len(real)))
    return Parts(on_real, _single(loss, zero.expand(len(fake)), fake) - level)


def best_parts(loss: Loss, log_ratio_p: Tensor, log_ratio_q: Tensor) -> Parts | None:
    """The parts that the best critic has where ln p/q is this at real, [n], and generated examples, [m].

    None where a best critic is no function of ln p/q. For an f-GAN these are T* = f'(p/q) and
    -f*(T*), whatever the activation.
    """
    p, q = log_ratio_p.double(), log_ratio_q.double()
    if isinstance(loss, FGAN):
        return Parts(loss.divergence.derivative_at_exp(p), -loss.divergence.conjugate_at_exp(q))
    real, fake = loss.optimal_score(p), loss.optimal_score(q)
    return None if real is None or fake is None else parts(loss, real, fake)


def at_equality(loss: Loss) -> float | None:
    """What the bound reaches where P = Q, None where a best critic is no function of ln p/q."""
    zero = torch.zeros(1, dtype=torch.float64)
    best = best_parts(loss, zero, zero)
    return None if best is None else best.mean


def _single(loss: Loss, real: Score, fake: Score) -> Tensor:
    one = torch.vmap(lambda r, f: loss.bound(r[None], f[None]))
    result: Tensor = one(real, fake)
    return result
