"""Emissions: laws of an example given a decoder's output, independent in every component."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_cli.checks import one_of, require

Covariance = Literal["fixed", "spherical", "diagonal"]
Decoder = Literal["bernoulli", "gaussian"]

LEAST_SIGMA = 1e-3
"""No σ is below it: pixels are 1/255 apart, and without this bound the density would have none either."""


class Emission(nn.Module, ABC):
    """A law of x, [.., D], given h, [.., D], the decoder's output; leading dimensions broadcast."""

    @abstractmethod
    def parameters_of(self, h: Tensor) -> tuple[Tensor, ...]:
        """The parameters of the law, each [.., D] or one that broadcasts to it."""

    @abstractmethod
    def mean(self, h: Tensor) -> Tensor:
        """E[x|h], [.., D]."""

    @abstractmethod
    def log_prob(self, x: Tensor, h: Tensor) -> Tensor:
        """ln p(x|h) in nats, summed over the D components: [..]."""


class Bernoulli(Emission):
    """ln p(x|h) = Σ_d x_d h_d − ln(1 + e^{h_d}): h are logits, x zeros and ones (or weights in between)."""

    def parameters_of(self, h: Tensor) -> tuple[Tensor, ...]:
        return (h,)

    def mean(self, h: Tensor) -> Tensor:
        return torch.sigmoid(h)

    def log_prob(self, x: Tensor, h: Tensor) -> Tensor:
        # Two sums: half again as fast as the sum of the differences, or of binary_cross_entropy_with_logits.
        return (x * h).sum(-1) - F.softplus(h).sum(-1)


class Gaussian(Emission):
    """ln p(x|h) = −Σ_d ½((x_d − m_d)/σ_d)² + ln σ_d + ½ ln 2π, with m = h, or its sigmoid where `bounded`.

    σ does not depend on the latents: `fixed` keeps it, `spherical` learns one number, `diagonal` one for each
    of the D components, from `sigma` on. Raises ValueError for sigma not above 0.001, its lower bound.
    """

    def __init__(self, size: int, bounded: bool, covariance: Covariance, sigma: float):
        super().__init__()
        one_of("covariance", covariance, ("fixed", "spherical", "diagonal"))
        require(LEAST_SIGMA < sigma < math.inf, "sigma", f"above {LEAST_SIGMA} and finite", sigma)
        self.bounded = bounded
        start = torch.full((size if covariance == "diagonal" else 1,), math.log(sigma - LEAST_SIGMA))
        if covariance == "fixed":
            self.register_buffer("log_excess", start)
        else:
            self.log_excess = nn.Parameter(start)

    @property
    def sigma(self) -> Tensor:
        """σ = 0.001 + e^ρ, [D] or [1]; ρ is what is learned."""
        return LEAST_SIGMA + self.log_excess.exp()

    def parameters_of(self, h: Tensor) -> tuple[Tensor, ...]:
        return self.mean(h), self.sigma

    def mean(self, h: Tensor) -> Tensor:
        return torch.sigmoid(h) if self.bounded else h

    def log_prob(self, x: Tensor, h: Tensor) -> Tensor:
        mean, sigma = self.parameters_of(h)
        constant = sigma.log() + 0.5 * math.log(2 * math.pi)
        return -(0.5 * ((x - mean) / sigma).square() + constant).sum(-1)


def emission(decoder: Decoder, size: int, bounded: bool, covariance: Covariance, sigma: float) -> Emission:
    """The emission of that name for examples of `size` components. Raises ValueError as it does."""
    one_of("decoder", decoder, ("bernoulli", "gaussian"))
    return Bernoulli() if decoder == "bernoulli" else Gaussian(size, bounded, covariance, sigma)
