"""Jensen-Shannon divergence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gan_cli.divergences.base import LogRatioDivergence
from gan_cli.divergences.stable import softplus

_LN2 = math.log(2.0)


@dataclass(frozen=True)
class JensenShannon(LogRatioDivergence):
    """2·JSD(P, Q) = KL(P‖M) + KL(Q‖M), M = (P+Q)/2: f = u ln u - (u+1) ln((1+u)/2), V* = ln p/q.

    f* = -ln(2 - e^t) for t < ln 2 (printed in some slides as -ln(2 e^t), which is no conjugate of this f),
    g_f = ln 2 - softplus(-v), f*(g_f(v)) = softplus(v) - ln 2. The value is twice the usual JSD, between 0
    and ln 4.

    Source: f-GAN, tables 1 and 2.

    >>> JensenShannon().conjugate_of_activation(torch.tensor(40.0))
    tensor(39.3069)
    """

    name: ClassVar[str] = "2·JSD(P, Q)"

    @property
    def domain(self) -> tuple[float, float]:
        return (-math.inf, _LN2)

    def f(self, u: Tensor) -> Tensor:
        return torch.xlogy(u, 2 * u / (1 + u)) - torch.log1p(u) + _LN2

    def derivative(self, u: Tensor) -> Tensor:
        return (2 * u / (1 + u)).log()

    def conjugate(self, t: Tensor) -> Tensor:
        return -torch.log1p(-torch.expm1(t))

    def activation(self, v: Tensor) -> Tensor:
        return _LN2 - softplus(-v)

    def conjugate_of_activation(self, v: Tensor) -> Tensor:
        return softplus(v) - _LN2
