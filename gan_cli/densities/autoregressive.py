"""What NADE and MADE share: binary examples, one dimension after another in some ordering."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from gan_cli.checks import at_least_one, one_of, require
from gan_cli.densities.base import Density
from gan_cli.prior import Prior
from gan_cli.types import Sheet, Tree

Ordering = Literal["raster", "random"]

_PART = 250  # examples whose likelihood is worked out at a time: what fits a cache is faster
_ROWS, _COMPLETIONS = 8, 8  # examples to complete, and how often each


class Autoregressive(Density):
    """p(x) = (1/M) Σⱼ Πₜ p_j(x_{oⱼ(t)} | x_{oⱼ(1)}, …, x_{oⱼ(t−1)}) over x in {0, 1}^D, in M orderings oⱼ.

    The latent is a uniform number a dimension, to be held against the conditional's probability, and
    with M > 1 one more, which picks j: so samples follow the averaged p, each in one pass over D.
    """

    smooth = False
    binary = True
    likelihood = "exact"

    shape: tuple[int, ...]
    choices: int
    """M."""
    size: int
    """D."""
    place: Tensor
    """The place of each dimension in each ordering, counted from 0: [M, D]."""

    def __init__(self, shape: tuple[int, ...], orderings: Tensor):
        super().__init__()
        self.shape = tuple(shape)
        self.choices, self.size = orderings.shape
        self.prior = Prior(self.size + (self.choices > 1), "uniform")
        self.register_buffer("place", orderings.argsort(1))

    @abstractmethod
    def logits(self, x: Tensor, choice: Tensor) -> Tensor:
        """a_d with p_j(x_d = 1 | earlier) = σ(a_d), [B, D] -> [B, D]; choice: [B], its first is j."""

    @abstractmethod
    def ancestral(self, uniform: Tensor, choice: Tensor, given: Tensor, known: int) -> Tensor:
        """x_d = 1[u_d < p_j(x_d = 1 | …)] in turn; the first `known` dimensions of an ordering as given.

        uniform, given: [B, D]; choice: [B], each example's own j. Returns [B, D].
        """

    def log_prob(self, x: Tensor, choice: Tensor) -> Tensor:
        """ln p_j(x) = Σ_d x_d·a_d − ln(1 + e^{a_d}) in nats, [B, *shape] -> [B]; choice as in `logits`."""
        x = x.flatten(1)
        logits = self.logits(x, choice)
        return (x * logits - functional.softplus(logits)).sum(1)

    def draw_choice(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """One j for the whole batch, uniform in 0 … M − 1, repeated: [B]."""
        choice = torch.randint(self.choices, (1,), generator=generator, device=generator.device)
        return choice.repeat(batch_size)

    def generate(self, latent: Tensor) -> Tensor:
        uniform = (latent + 1) / 2
        if self.choices > 1:
            choice = (uniform[:, -1] * self.choices).long().clamp(max=self.choices - 1)
        else:
            choice = torch.zeros_like(latent[:, 0], dtype=torch.long)
        uniform = uniform[:, : self.size]
        return self.ancestral(uniform, choice, torch.zeros_like(uniform), 0).reshape(-1, *self.shape)

    @torch.no_grad()
    def log_likelihood(self, x: Tensor, settled: Tree, generator: torch.Generator, samples: int) -> Tensor:
        return torch.cat([self._averaged(part) for part in x.split(_PART)])

    def _averaged(self, x: Tensor) -> Tensor:
        """ln (1/M) Σⱼ p_j(x), probabilities averaged and not their logarithms, [B, *shape] -> [B]."""
        each = torch.arange(self.choices, device=x.device)
        found = [self.log_prob(x, j.expand(x.shape[0])) for j in each]
        return torch.logsumexp(torch.stack(found), 0) - math.log(self.choices)

    @torch.no_grad()
    def exhibits(self, x: Tensor, generator: torch.Generator) -> Mapping[str, Sheet]:
        """Rows of an example, its first half in the ordering (the rest grey) and draws of the rest from p."""
        x = x[:_ROWS].flatten(1)
        known, copies = self.size // 2, x.repeat_interleave(_COMPLETIONS, 0)
        uniform = (self.prior.draw(generator, len(copies), x.dtype)[:, : self.size] + 1) / 2
        choice = torch.zeros(len(copies), dtype=torch.long, device=x.device)
        drawn = self.ancestral(uniform, choice, copies, known).unflatten(0, (len(x), -1))
        half = torch.where(self.place[0] < known, x, 0.5)
        rows = torch.cat([x[:, None], half[:, None], drawn], 1)
        return {"completions": Sheet(rows.reshape(-1, *self.shape), rows.shape[1])}


def orderings(shape: tuple[int, ...], number: int, kind: Ordering, generator: torch.Generator) -> Tensor:
    """So many orderings of the dimensions of `shape`: the dimension at each place, [M, D].

    Raises ValueError for another kind, and for a shape of fewer than two dimensions in all.
    """
    one_of("ordering", kind, ("raster", "random"))
    size = math.prod(shape)
    require(size > 1, "shape", "one of at least 2 dimensions in all", tuple(shape))
    if kind == "raster":
        return torch.arange(size).repeat(number, 1)
    return torch.stack([torch.randperm(size, generator=generator) for _ in range(number)])


def seeded(**seed: int) -> torch.Generator:
    """A generator of the one seed given; raises ValueError, by its name, for one that is not in [0, 2⁶³)."""
    ((argument, value),) = seed.items()
    require(isinstance(value, int) and 0 <= value < 2**63, argument, "from 0 to 2⁶³ − 1", value)
    return torch.Generator().manual_seed(value)


def check_widths(hidden: tuple[int, ...]) -> None:
    """Raise ValueError unless there is a hidden layer and each has at least one unit."""
    require(len(hidden) > 0, "hidden", "a list of at least one width", list(hidden))
    for width in hidden:
        at_least_one(hidden=width)
