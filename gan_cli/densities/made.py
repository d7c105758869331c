"""MADE: a masked autoencoder for distribution estimation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from gan_cli.checks import at_least_one
from gan_cli.densities.autoregressive import (
    Autoregressive,
    Ordering,
    check_widths,
    orderings,
    seeded,
)


class MADE(Autoregressive):
    """x -> masked ReLU layers -> logits a; a_d reads x at earlier places alone (Germain et al. 2015).

        h¹ = ReLU(b¹ + (W¹ ⊙ M¹) x), …, a = c + (V ⊙ Mⱽ) h^L [+ (A ⊙ Mᴬ) x], p(x_d = 1 | earlier) = σ(a_d)

    Each unit has a degree m: an input its place 1 … D, a unit of layer l one drawn uniformly from
    min m^{l−1} … D − 1. M^l_{k'k} = 1[m^l(k') ≥ m^{l−1}(k)], Mⱽ_{dk} = 1[m⁰(d) > m^L(k)], Mᴬ_{dd'} =
    1[m⁰(d) > m⁰(d')] (sections 4.1, 4.2). Only degrees are kept: [M, H] numbers where masks are [M, H, D].

    hidden: widths, one a layer; masks: M; ordering: `raster`, or `random`, drawn anew for every mask;
    direct: whether there is A; mask_seed: of degrees and orderings. Training takes one mask a step
    (algorithm 1), the likelihood averages all in probability (section 4.3). Raises ValueError for sizes
    below 1, another ordering or a seed below 0.
    """

    layers: nn.ModuleList
    output: nn.Linear
    direct: nn.Linear | None

    def __init__(
        self,
        shape: tuple[int, ...],
        hidden: Sequence[int] = (500,),
        masks: int = 1,
        ordering: Ordering = "raster",
        direct: bool = False,
        mask_seed: int = 0,
    ):
        at_least_one(masks=masks)
        check_widths(tuple(hidden))
        generator = seeded(mask_seed=mask_seed)
        super().__init__(shape, orderings(shape, masks, ordering, generator))
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise((self.size, *hidden)))
        self.output = nn.Linear(hidden[-1], self.size)
        self.direct = nn.Linear(self.size, self.size, bias=False) if direct else None
        for number, degrees in enumerate(_degrees(self.size, tuple(hidden), masks, generator)):
            self.register_buffer(f"degree_{number}", degrees)

    def logits(self, x: Tensor, choice: Tensor) -> Tensor:
        place, *degrees = self._of(choice[:1])
        h, below = x, place[0] + 1
        for layer, degree in zip(self._linear(), degrees, strict=True):
            h = torch.relu(functional.linear(h, layer.weight * (degree[0][:, None] >= below), layer.bias))
            below = degree[0]
        after = place[0][:, None] + 1 > below
        logits = functional.linear(h, self.output.weight * after, self.output.bias)
        if self.direct is None:
            return logits
        return logits + functional.linear(x, self.direct.weight * (place[0][:, None] > place[0]))

    def _linear(self) -> list[nn.Linear]:
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def _of(self, choice: Tensor) -> list[Tensor]:
        """Places and the degrees of every layer under masks of these numbers: [N] -> [N, D], [N, H], …."""
        degrees = [self.get_buffer(f"degree_{number}") for number in range(len(self.layers))]
        return [table.index_select(0, choice) for table in (self.place, *degrees)]

    def ancestral(self, uniform: Tensor, choice: Tensor, given: Tensor, known: int) -> Tensor:
        """As in the base class, each example under a mask of its own.

        Units of degree t are done once t dimensions are known, and are read by nobody before. So no weight
        is masked: each unit is passed on at its time. A step costs O(D + H) an example with one layer, all D
        about as much as one pass, and O(D + H²) with more.
        """
        place, *degrees = self._of(choice)
        layers = self._linear()
        sums = [layer.bias.expand(uniform.shape[0], -1) for layer in layers]
        top, x = torch.zeros_like(sums[-1]), torch.zeros_like(uniform)
        for t, at in enumerate(place.argsort(1).split(1, 1)):
            h = torch.relu(sums[0]) * (degrees[0] == t)
            for number in range(1, len(layers)):
                sums[number] = sums[number] + functional.linear(h, layers[number].weight)
                h = torch.relu(sums[number]) * (degrees[number] == t)
            top = top + h
            logit = self.output.bias[at[:, 0]] + (self.output.weight[at[:, 0]] * top).sum(1)
            if self.direct is not None:
                logit = logit + (self.direct.weight[at[:, 0]] * x).sum(1)
            drawn = (uniform.gather(1, at) < torch.sigmoid(logit)[:, None]).to(x.dtype)
            bit = given.gather(1, at) if t < known else drawn
            sums[0] = sums[0] + bit * layers[0].weight.T[at[:, 0]]
            x = x.scatter(1, at, bit)
        return x


def _degrees(size: int, hidden: tuple[int, ...], masks: int, generator: torch.Generator) -> list[Tensor]:
    """m^l(k) for every mask, layer by layer, [M, H] each."""
    found, lowest = [], torch.ones(masks, 1)
    for width in hidden:
        uniform = torch.rand(masks, width, generator=generator)
        found.append((lowest + (uniform * (size - lowest)).floor()).long().clamp(max=size - 1))
        lowest = found[-1].amin(1, keepdim=True).float()
    return found
