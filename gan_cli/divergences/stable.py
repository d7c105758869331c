"""Functions of logits that stay exact where the obvious formula overflows, cancels or divides zero by zero.

Branches are chosen by `torch.where` with an argument that is harmless on the side not taken, so that neither
the values nor the gradients of any order meet a NaN.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import torch
from torch import Tensor

Real: TypeAlias = float | Tensor
"""A hyper-parameter: a plain number, or a 0-d tensor when a sweep maps over it."""

_TAIL = 25.0
"""e^{-25} is 1e-11: the square of it is nothing in float64, and its inverse to the third fits in float32."""


def log(x: Real) -> Real:
    """ln x of a hyper-parameter.

    >>> log(1.0)
    0.0
    """
    return x.log() if isinstance(x, Tensor) else math.log(x)


def logit(x: Real) -> Real:
    """ln x - ln(1 - x) of a hyper-parameter in (0, 1).

    >>> logit(0.5)
    0.0
    """
    return log(x) - log(1 - x)


def expm1(v: Tensor, over: Real = 1.0) -> Tensor:
    """(e^v - 1) / a, right in value and slope at both ends and near 0, and finite as long as the quotient is.

    torch.expm1 takes its slope from its value + 1, which is 0 below -17 in float32.

    >>> torch.func.grad(expm1)(torch.tensor(-20.0))
    tensor(2.0612e-09)
    """
    near = v.abs() < 1
    inner, outer = torch.where(near, v, 0.0), torch.where(near, 1.0, v)
    size = over.abs() if isinstance(over, Tensor) else abs(over)
    far = (outer - log(size)).exp() * (over / size) - 1 / over
    return torch.where(near, torch.expm1(inner) / over, far)


def softplus(v: Tensor) -> Tensor:
    """ln(1 + e^v) and its derivatives to the last digit.

    torch's own returns v above 20, which is 1e-10 off in float64, and the second derivative of its logsigmoid
    is 0 above 17 in float32.

    >>> softplus(torch.tensor([-80.0, 0.0, 80.0]))
    tensor([1.8049e-35, 6.9315e-01, 8.0000e+01])
    """
    right = v > 0
    above, below = torch.where(right, v, 0.0), torch.where(right, 0.0, v)
    return torch.where(right, above + (-above).exp().log1p(), below.exp().log1p())


def log_softplus(v: Tensor) -> Tensor:
    """ln ln(1 + e^v), which tends to v as v → -∞.

    For v < 0, with z = e^v and s = z/(2+z) ≤ 1/3, ln(1+z) = 2 artanh s = z · 2/(2+z) · Σ s^{2k}/(2k+1): so no
    step of the gradient divides by z, which would overflow float32 where the result does not.

    >>> log_softplus(torch.tensor(-80.0))
    tensor(-80.)
    """
    right = v > 0
    above, below = torch.where(right, v, 0.0), torch.where(right, 0.0, v)
    z = below.exp()
    square = (z / (2 + z)) ** 2
    series = torch.zeros_like(v)
    for k in reversed(range(1, 17)):  # 9^-17 is below the last digit of float64
        series = (series + 1 / (2 * k + 1)) * square
    return torch.where(right, softplus(above).log(), below - (z / 2).log1p() + series.log1p())


def minus_log1m_sigmoid_power(v: Tensor, power: Real) -> Tensor:
    """-ln(1 - σ(v)^c) for c > 0, which tends to v - ln c as v → ∞; c = 1 gives softplus(v).

    >>> minus_log1m_sigmoid_power(torch.tensor([-1.0, 80.0]), 1.0)
    tensor([ 0.3133, 80.0000])
    """
    left, right = v < 0, v > _TAIL
    below = -torch.log1p(-(-power * softplus(-torch.where(left, v, -1.0))).exp())
    middle = torch.where(left | right, 1.0, v)
    between = -(-torch.expm1(-power * softplus(-middle))).log()
    above = v - log(power) + (power + 1) / 2 * (-v.clamp(min=0.0)).exp()
    return torch.where(left, below, torch.where(right, above, between))
