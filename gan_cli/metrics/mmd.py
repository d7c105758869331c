"""The maximum mean discrepancy: how far apart two laws are in the eyes of a kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gan_cli.checks import require
from gan_cli.metrics.blocks import squared_distances, tiles

_BLOCKS = 10
Kernel = Callable[[Tensor, Tensor], Tensor]
"""k(x_i, y_j): [N, F] and [M, F], both float64 -> [N, M]."""


class Estimate(NamedTuple):
    """value, error: [], an unbiased estimate and its standard error."""

    value: Tensor
    error: Tensor


def gaussian(bandwidths: Tensor) -> Kernel:
    """k(x, y) = mean over σ of exp(−|x − y|²/(2σ²)), σ the `bandwidths`, [S].

    >>> kernel = gaussian(torch.tensor([1.0]))
    >>> round(float(kernel(torch.zeros(1, 1), torch.ones(1, 1)).log()), 6)
    -0.5
    """

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        squared = squared_distances(x, y)
        total = torch.zeros_like(squared)
        for bandwidth in bandwidths.to(squared).unbind():
            total += (squared / (-2 * bandwidth.square())).exp()
        return total / len(bandwidths)

    return kernel


def polynomial(x: Tensor, y: Tensor) -> Tensor:
    """k(x, y) = (x·y/F + 1)³, F the number of features: KID's, Bińkowski et al. 2018."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def median_distance(x: Tensor) -> Tensor:
    """The median of |x_i − x_j| over all pairs i < j, [], the customary bandwidth (Gretton et al. 2012, §8).

    Where half of the pairs are at distance 0 it is the mean distance, and 1 where all are. x: [N, F], N ≥ 2,
    else ValueError.

    >>> float(median_distance(torch.tensor([[0.0], [1.0], [3.0]])))
    2.0
    """
    require(len(x) > 1, "x", "at least 2 vectors", len(x))
    squared = squared_distances(x, x)
    i, j = torch.triu_indices(len(x), len(x), 1, device=x.device)
    distance = squared[i, j].sqrt()
    median, mean = distance.median(), distance.mean()
    return torch.where(median > 0, median, torch.where(mean > 0, mean, torch.ones_like(mean)))


def mmd2(x: Tensor, y: Tensor, kernel: Kernel) -> Estimate:
    """MMD² = E k(x, x′) + E k(y, y′) − 2 E k(x, y), x and x′ ~ P, y and y′ ~ Q all independent.

    The unbiased estimate of Gretton et al. 2012, Eq. 3, which is below 0 now and then where P = Q:

        Σ_{i≠j} k(x_i, x_j)/(n(n−1)) + Σ_{i≠j} k(y_i, y_j)/(m(m−1)) − 2 Σ_ij k(x_i, y_j)/(nm).

    Its error is √(4 Var a/n + 4 Var b/m), a_i = mean_{j≠i} k(x_i, x_j) − mean_j k(x_i, y_j) what x_i adds,
    b_j likewise. That is right where P and Q differ and up to √2 too large where they are equal.

    x: [N, F], y: [M, F], N and M at least 2, else ValueError.
    """
    require(min(len(x), len(y)) > 1, "samples", "at least 2 of either side", min(len(x), len(y)))
    n, m = len(x), len(y)
    cross_x = x.new_zeros(n, dtype=torch.float64)
    cross_y = y.new_zeros(m, dtype=torch.float64)
    for rows, columns in tiles(n, m):
        tile = kernel(x[rows].double(), y[columns].double())
        cross_x[rows] += tile.sum(1)
        cross_y[columns] += tile.sum(0)
    a = _others(x, kernel) / (n - 1) - cross_x / m
    b = _others(y, kernel) / (m - 1) - cross_y / n
    return Estimate(a.mean() + b.mean(), 2 * (a.var() / n + b.var() / m).sqrt())


def _others(x: Tensor, kernel: Kernel) -> Tensor:
    """Σ_{j≠i} k(x_i, x_j), [N]."""
    total = x.new_zeros(len(x), dtype=torch.float64)
    for rows, columns in tiles(len(x), len(x)):
        tile = kernel(x[rows].double(), x[columns].double())
        total[rows] += tile.sum(1)
        if rows == columns:
            total[rows] -= tile.diagonal()
    return total


def in_blocks(x: Tensor, y: Tensor, kernel: Kernel, size: int) -> Estimate:
    """The mean of MMD² over disjoint blocks of about `size` examples, and its standard error over blocks.

    There are ⌊n/size⌋ blocks, n the smaller side, but ten where blocks of two or more allow it: an error from
    fewer would be a guess. Both sides must be in random order. The estimate is unbiased whatever the size:
    Bińkowski et al. 2018. Raises ValueError for fewer than 4 examples.
    """
    n = min(len(x), len(y))
    require(n >= 4, "samples", "at least 4 of either side", n)
    blocks = max(n // size, min(_BLOCKS, n // 2))
    pairs = zip(x.tensor_split(blocks), y.tensor_split(blocks), strict=True)
    found = torch.stack([mmd2(one, other, kernel).value for one, other in pairs])
    return Estimate(found.mean(), found.std() / blocks**0.5)
