"""NADE: a neural autoregressive distribution estimator."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_cli.checks import at_least_one
from gan_cli.densities.autoregressive import (
    Autoregressive,
    Ordering,
    orderings,
    seeded,
)

_BLOCK = 16  # dimensions whose hidden layers are worked out at a time


class NADE(Autoregressive):
    """p(x_d = 1 | x_{<d}) = σ(b_d + V_d·h_d), h_d = σ(c + W_{·,<d} x_{<d}) (Larochelle & Murray 2011).

    What goes into h_d is shared, a_{d+1} = a_d + W_{·,d} x_d, so p(x) costs O(D·H) (algorithm 1). A sample
    runs through it; a likelihood, where x is known, works out `_BLOCK` dimensions at a time, in memory
    for B · _BLOCK · H numbers (with a gradient B · D · H).

    hidden: H; ordering: `raster`, or `random`, drawn from ordering_seed. W, V: [D, H], rows in that ordering.
    Raises ValueError for sizes below 1, another ordering or a seed below 0.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        hidden: int = 500,
        ordering: Ordering = "raster",
        ordering_seed: int = 0,
    ):
        super().__init__(shape, orderings(shape, 1, ordering, seeded(ordering_seed=ordering_seed)))
        at_least_one(hidden=hidden)
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(self.size, hidden)))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))
        self.output_weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(self.size, hidden)))
        self.output_bias = nn.Parameter(torch.zeros(self.size))

    def logits(self, x: Tensor, choice: Tensor) -> Tensor:
        place = self.place[0]
        x = x.index_select(1, place.argsort())
        weights = self.weight.split(_BLOCK), self.output_weight.split(_BLOCK)
        running = self.hidden_bias.expand(x.shape[0], -1)
        found = []
        for part, inward, outward in zip(x.split(_BLOCK, 1), *weights, strict=True):
            # The exclusive sum over a block as a product with a triangle of ones: on a CPU three times as
            # fast, with its gradient, as torch.cumsum.
            earlier = part.new_ones(part.shape[1], part.shape[1]).tril(-1)
            hidden = torch.sigmoid((part * earlier[:, None]) @ inward + running)
            found.append((hidden * outward[:, None]).sum(-1))
            running = running + part @ inward
        return (torch.cat(found).T + self.output_bias).index_select(1, place)

    def ancestral(self, uniform: Tensor, choice: Tensor, given: Tensor, known: int) -> Tensor:
        place = self.place[0]
        order = place.argsort()
        uniform, given = uniform.index_select(1, order), given.index_select(1, order)
        running = self.hidden_bias.expand(uniform.shape[0], -1)
        drawn = []
        for d in range(self.size):
            logit = self.output_bias[d] + torch.sigmoid(running) @ self.output_weight[d]
            bit = given[:, d] if d < known else (uniform[:, d] < torch.sigmoid(logit)).to(uniform.dtype)
            running = running + bit[:, None] * self.weight[d]
            drawn.append(bit)
        return torch.stack(drawn, 1).index_select(1, place)
