"""The importance-weighted bound."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan_cli.checks import at_least_one
from gan_cli.criteria.base import Call, Criterion, Value
from gan_cli.criteria.elbo import latent_size
from gan_cli.types import Noise, Tree


@dataclass(frozen=True)
class IWAE(Criterion):
    """−E ln 1/k Σ_i w_i, w_i = p(x|z_i) p(z_i)/q(z_i|x), of k = `samples` reparameterised z_i.

    Burda et al. 2016, Eq. 8; the gradient is their Eq. 14, Σ_i w̃_i ∇ ln w_i with w̃_i = w_i/Σ w. At k = 1 its
    expectation is that of ELBO(β = 1), and the bound of ln p(x) does not fall as k grows (their Theorem 1).
    Shown are the bound and `elbo`, the mean of ln w_i, in nats, and `effective_samples`, 1/Σ w̃_i², 1 to k.
    Raises ValueError for samples < 1.
    """

    samples: int = 50

    def __post_init__(self) -> None:
        at_least_one(samples=self.samples)

    def check(self, model: nn.Module) -> None:
        latent_size(model)

    def draw(
        self, model: nn.Module, batch_size: int, generator: torch.Generator, dtype: torch.dtype
    ) -> Noise:
        size = (batch_size, self.samples, latent_size(model))
        return torch.randn(size, generator=generator, dtype=dtype, device=generator.device)

    def value(self, call: Call, x: Tensor, label: tuple[Tensor, ...], memory: Tree, noise: Noise) -> Value:
        log_weights = call("log_weights", x, noise, *label)
        bound = (torch.logsumexp(log_weights, 1) - math.log(self.samples)).mean()
        effective = 1 / log_weights.softmax(1).square().sum(1)
        shown = {"bound": bound, "elbo": log_weights.mean(), "effective_samples": effective.mean()}
        return Value(-bound, shown, memory)
