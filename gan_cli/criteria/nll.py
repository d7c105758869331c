"""Negative log-likelihood, for models whose likelihood is exact."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gan_cli.criteria.base import Call, Criterion, Value, fitting
from gan_cli.densities.autoregressive import Autoregressive
from gan_cli.types import Noise, Tree


class NegativeLogLikelihood(Criterion):
    """L = −(1/B) Σᵢ ln p(xᵢ) in nats an example, and for the logs L/(D·ln 2) in bits a dimension."""

    def check(self, model: nn.Module) -> None:
        _autoregressive(model)

    def draw(
        self, model: nn.Module, batch_size: int, generator: torch.Generator, dtype: torch.dtype
    ) -> Noise:
        return _autoregressive(model).draw_choice(batch_size, generator)

    def value(self, call: Call, x: Tensor, label: tuple[Tensor, ...], memory: Tree, noise: Noise) -> Value:
        loss = -call("log_prob", x, noise).mean()
        bits = loss.detach() / (x[0].numel() * math.log(2))
        return Value(loss, {"bits_per_dim": bits}, memory)


def _autoregressive(model: nn.Module) -> Autoregressive:
    found: Autoregressive = fitting(model, Autoregressive, "one that knows its likelihood (nade, made)")
    return found
