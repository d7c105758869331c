"""Whether a generator repeats the examples that it was trained on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gan_cli.checks import require
from gan_cli.metrics.blocks import nearest

_ROUNDS, _MOST = 20, 10_000
_CLOSE = 0.01


class Copying(NamedTuple):
    """What the test finds, each [].

    z: below 0 where generated examples are nearer to the training set than unseen ones; p: how likely a z as
    low is of a generator that has the data's own law; close: the share of generated examples that are as near
    to the training set as the nearest 1 % of the unseen ones.
    """

    z: Tensor
    p: Tensor
    close: Tensor


def mann_whitney(a: Tensor, b: Tensor) -> Tensor:
    """The standardised rank-sum statistic of Mann and Whitney 1947, []: below 0 where a is mostly below b.

    z = (U − nm/2)/√(nm/12·(N + 1 − Σ(t³ − t)/(N(N−1)))), U the pairs with a_i > b_j and half of the equal
    ones, N = n + m, t the sizes of groups of equal values; 0 where all values are equal.

    >>> round(float(mann_whitney(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))), 4)
    -1.5492
    """
    n, m = len(a), len(b)
    both = torch.cat([a, b])
    _, group, size = both.unique(return_inverse=True, return_counts=True)
    size = size.double()
    ranks = (size.cumsum(0) - (size - 1) / 2)[group]
    u = ranks[:n].sum() - n * (n + 1) / 2
    ties = (size.pow(3) - size).sum() / max((n + m) * (n + m - 1), 1)
    variance = n * m / 12 * (n + m + 1 - ties)
    return torch.where(variance > 0, (u - n * m / 2) / variance.clamp(min=1e-30).sqrt(), 0)


def training_distance(x: Tensor, training: Tensor, relative: bool) -> Tensor:
    """The distance from each x to its nearest training example t, [N], in float64.

    relative: divided by the distance from t to the nearest other training example, 0/0 being 0. That takes
    out how dense the data is there; below 1 a sample is what Alaa et al. 2022 call not authentic.

    x: [N, F], training: [T, F], T ≥ 2 for a relative one, else ValueError.

    >>> line = torch.tensor([[0.0], [2.0], [10.0]])
    >>> training_distance(torch.tensor([[1.5], [12.0]]), line, relative=True).tolist()
    [0.25, 0.25]
    """
    distance, index = (found[:, 0] for found in nearest(x, training))
    if not relative:
        return distance
    # The first of the two nearest is t itself, or its duplicate, at distance 0.
    spacing = nearest(training[index], training, 2)[0][:, 1]
    return torch.where(distance > 0, distance / spacing, distance)


def partition(x: Tensor, cells: int, generator: torch.Generator) -> Tensor:
    """The centres of `cells` cells by Lloyd's algorithm from random examples, [cells, F] float64.

    A cell that loses all its examples keeps its centre. At most 10,000 of the examples have a say. x: [N, F],
    N ≥ cells, else ValueError.
    """
    require(cells <= len(x), "cells", f"at most the {len(x)} training examples", cells)
    order = torch.randperm(len(x), generator=generator, device=generator.device)
    x = x[order[:_MOST].to(x.device)].double()
    centres = x[:cells]
    for _ in range(_ROUNDS):
        cell = nearest(x, centres)[1][:, 0]
        count = torch.bincount(cell, minlength=cells)[:, None]
        total = torch.zeros_like(centres).index_add_(0, cell, x)
        centres = torch.where(count > 0, total / count.clamp(min=1), centres)
    return centres


def copying(
    fake: Tensor, unseen: Tensor, cells: tuple[Tensor, Tensor] | None = None, least: int = 20
) -> Copying:
    """The test of Meehan, Chaudhuri and Dasgupta 2020, §3: who is nearer to the training set, by ranks.

    A generator that has the data's law has distances to the nearest training example of the same law as
    unseen examples; those of one that copies are smaller. z_c is Mann–Whitney's statistic of the two within
    cell c of a partition, so that a copier in one region cannot hide behind bad samples in another. They
    join as

        z = Σ_c w_c z_c / √(Σ_c w_c²),   w_c the share of the unseen examples in cell c,   p = Φ(z),

    which is standard normal of a faultless generator (the paper's C_T divides the sum by Σ_c w_c instead).
    Cells with fewer than `least` examples of either sort are left out; if all are, there is one cell.

    fake: [N], unseen: [M], the distances; cells: [N] and [M], the cell of each, None for a single one. Raises
    ValueError where one of them is empty.
    """
    require(min(len(fake), len(unseen)) > 0, "samples", "at least 1 of either side", 0)
    z = mann_whitney(fake, unseen)
    if cells is not None:
        total, weights = torch.zeros_like(z), torch.zeros_like(z)
        for cell in cells[1].unique():
            one, two = fake[cells[0] == cell], unseen[cells[1] == cell]
            if min(len(one), len(two)) >= least:
                total = total + len(two) * mann_whitney(one, two)
                weights = weights + len(two) ** 2
        z = torch.where(weights > 0, total / weights.clamp(min=1).sqrt(), z)
    limit = unseen.sort().values[int(_CLOSE * (len(unseen) - 1))]
    return Copying(z, torch.special.ndtr(z), (fake <= limit).double().mean())
