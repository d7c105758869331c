"""Jeffreys' divergence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gan_cli.divergences.base import Divergence

_STEPS = 6
"""From the starting point below, six Newton steps reach the last digit of float64 for every t."""


@dataclass(frozen=True)
class Jeffreys(Divergence):
    """J(P, Q) = KL(P‖Q) + KL(Q‖P): f = (u-1) ln u, g_f = v, V* = 1 + ln p/q - q/p.

    f*(t) = w + 1/w + t - 2 with w + ln w = 1 - t, that is w = W(e^{1-t}), and df*/dt = 1/w. It is solved for
    y = ln w, which is -ln p/q at the optimum, so that e^{1-t} is never formed; then f* = e^{-y} - 1 - y.

    Source: f-GAN, tables 1 and 2.

    >>> Jeffreys().conjugate(torch.tensor([-60.0, 60.0]))
    tensor([-5.0248e+00,  4.2012e+25])
    """

    name: ClassVar[str] = "J(P, Q)"

    def f(self, u: Tensor) -> Tensor:
        return (u - 1) * u.log()

    def derivative(self, u: Tensor) -> Tensor:
        return u.log() + 1 - 1 / u

    def conjugate(self, t: Tensor) -> Tensor:
        y = _root(1 - t)
        return torch.expm1(-y) - y

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return log_ratio - torch.expm1(-log_ratio)

    def log_ratio(self, score: Tensor) -> Tensor:
        return -_root(1 - score)

    def derivative_at_exp(self, v: Tensor) -> Tensor:
        return v - torch.expm1(-v)

    def conjugate_at_exp(self, v: Tensor) -> Tensor:
        return torch.expm1(v) + v


def _root(c: Tensor) -> Tensor:
    """The y with e^y + y = c, by Newton's method, differentiable three times.

    The left side is convex and increasing and the start lies right of the root, so the steps come down to it
    monotonically. The last two are left differentiable: a Newton step doubles the number of derivatives of
    y(c) that are right, 1 after the first, 3 after the second.
    """
    fixed = c.detach()
    y = torch.where(fixed > 1, fixed.clamp(min=1.0).log(), fixed)
    for _ in range(_STEPS):
        y = _newton(y, fixed)
    return _newton(_newton(y.detach(), c), c)


def _newton(y: Tensor, c: Tensor) -> Tensor:
    w = y.exp()
    return y - (w + y - c) / (1 + w)
