"""Minibatch discrimination."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gan_cli.checks import at_least_one
from gan_cli.layers.base import replaced
from gan_cli.terms.base import Side

_MOMENTUM = 0.1
"""The share of a batch in the running mean, as in BatchNorm."""


@dataclass(frozen=True)
class MinibatchDiscrimination:
    """The critic's last linear map also reads how close each example is to the others of its batch.

    o_b(xᵢ) = Σ_{j≠i} exp(−‖M_{i,b} − M_{j,b}‖₁), M_i = f(xᵢ)·T [kernels, dims], f what the last linear map
    read before (Salimans et al. 2016, section 3.2, whose sum also has j = i, a constant 1). Real and
    generated examples come in batches of their own. T starts N(0, 1/A) for A features, and what the linear
    map makes of o at 0: up to B − 1 in each of 100 kernels would drown the old features.

    Evaluation has no batch to speak of, only points to judge one by one: there o is its running mean over the
    real and generated batches of training (momentum 0.1), so that a score depends on its example alone.

    A batch of B takes B² · kernels · dims numbers of memory. kernels, dims ≥ 1. Raises ValueError otherwise,
    and for a critic that does not end in a linear map.
    """

    kernels: int = 100
    dims: int = 5
    side: ClassVar[Side] = "critic"

    def __post_init__(self) -> None:
        at_least_one(kernels=self.kernels, dims=self.dims)

    def into(self, network: nn.Module) -> nn.Module:
        kinds = (nn.Linear, nn.modules.conv._ConvNd)
        weighted = [(name, m) for name, m in network.named_modules() if isinstance(m, kinds)]
        name, last = weighted[-1] if weighted else ("", network)
        if not isinstance(last, nn.Linear):
            raise ValueError("the critic does not end in a linear map, before which the layer would stand")
        if parametrize.is_parametrized(last):
            raise ValueError(
                "the critic's last linear map is already normalised; name minibatch_discrimination first"
            )
        closeness = Closeness(last.in_features, self.kernels, self.dims)
        return replaced(network, name, nn.Sequential(closeness, _widened(last, self.kernels)))


class Closeness(nn.Module):
    """f [B, A] -> (f, o) [B, A + kernels]; see MinibatchDiscrimination.

    gathered: what makes the whole batch of rows that several processes share, [B, …] -> [RB, …].
    """

    mixes_batch: ClassVar[bool] = True
    usual: Tensor

    def __init__(self, features: int, kernels: int, dims: int):
        super().__init__()
        self.kernels = kernels
        self.gathered: Callable[[Tensor], Tensor] = _as_it_is
        # No nn.Linear: it only measures distances, so neither spectral normalisation nor a choice of hidden
        # layers means it.
        self.tensor = nn.Parameter(torch.randn(features, dims * kernels) / math.sqrt(features))
        self.register_buffer("usual", torch.zeros(kernels))

    def forward(self, features: Tensor) -> Tensor:
        if not self.training:
            return torch.cat([features, self.usual.to(features.dtype).expand(len(features), -1)], 1)
        # As [dims, kernels, B], with the sign on m and not on all pairs: faster by a third, forth and back.
        m = (self.tensor.mT @ features.mT).to(self.usual.dtype).unflatten(0, (-1, self.kernels))
        others = self.gathered(m.permute(2, 0, 1)).permute(1, 2, 0)
        distance = (m[..., :, None] + (-others)[..., None, :]).abs().sum(0)
        closeness = (torch.exp(-distance).sum(2) - 1).mT  # without j = i
        self.usual = self.usual.lerp(self.gathered(closeness.detach()).mean(0), _MOMENTUM)
        return torch.cat([features, closeness.to(features.dtype)], 1)


def _as_it_is(rows: Tensor) -> Tensor:
    return rows


def _widened(linear: nn.Linear, more: int) -> nn.Linear:
    """The linear map with that many inputs more, which count nothing yet."""
    wide = nn.Linear(linear.in_features + more, linear.out_features, bias=linear.bias is not None)
    with torch.no_grad():
        wide.weight.zero_()
        wide.weight[:, : linear.in_features] = linear.weight
        if linear.bias is not None:
            wide.bias.copy_(linear.bias)
    return wide
