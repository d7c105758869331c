"""All pairs of two sets of vectors, a tile at a time, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from gan_cli.checks import require

SIDE = 2048
"""Rows and columns of a tile: 32 MiB of float64."""
_ROUNDING = 1e-13


def tiles(rows: int, columns: int) -> Iterator[tuple[slice, slice]]:
    """Slices that cut a matrix of rows × columns into tiles, row by row.

    >>> list(tiles(1, 3000))
    [(slice(0, 1, None), slice(0, 2048, None)), (slice(0, 1, None), slice(2048, 3000, None))]
    """
    for row in range(0, rows, SIDE):
        for column in range(0, columns, SIDE):
            yield slice(row, min(row + SIDE, rows)), slice(column, min(column + SIDE, columns))


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """|x_i − y_j|², [N, F] and [M, F] -> [N, M], in float64.

    They go through one product of matrices, of the vectors less y's median, which keeps what a common
    offset would lose, whatever outliers there are. What is below 1e-13 of the squared lengths is rounding,
    and 0: equal vectors are at distance 0.

    >>> squared_distances(torch.tensor([[1e4, 0.0]]), torch.tensor([[1e4, 0.0], [1e4, 3.0]]))
    tensor([[0., 9.]], dtype=torch.float64)
    """
    x, y = x.double(), y.double()
    centre = y.median(0).values
    x, y = x - centre, y - centre
    lengths = x.square().sum(1, keepdim=True) + y.square().sum(1)
    found = torch.addmm(lengths, x, y.T, alpha=-2)
    # A comparison with NaN fails, so that NaN stays.
    return torch.where(found <= _ROUNDING * lengths, 0, found)


def nearest(x: Tensor, y: Tensor, k: int = 1, *, others: bool = False) -> tuple[Tensor, Tensor]:
    """The k nearest of y to each x, nearest first: distances [N, k] in float64, indices [N, k].

    others: x is y, and no vector counts as its own neighbour. Raises ValueError where y has fewer than k
    vectors, or k + 1 with `others`.

    >>> points = torch.tensor([[0.0], [1.0], [5.0]])
    >>> nearest(points, points, others=True)[0].flatten().tolist()
    [1.0, 1.0, 4.0]
    """
    require(1 <= k <= len(y) - others, "k", f"between 1 and the {len(y) - others} neighbours there are", k)
    rows: list[tuple[Tensor, Tensor]] = []
    for part, columns in tiles(len(x), len(y)):
        found = squared_distances(x[part], y[columns])
        if others and part == columns:
            found.fill_diagonal_(torch.inf)
        values, indices = found.topk(min(k, found.shape[1]), largest=False)
        best = values, indices + columns.start
        rows.append(merged(rows.pop(), best, k) if columns.start else best)
    return torch.cat([value for value, _ in rows]).sqrt(), torch.cat([index for _, index in rows])


def merged(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor], k: int) -> tuple[Tensor, Tensor]:
    """The k least of two lists of distances, least first, and what belongs to them.

    Each list: [N, a] and [N, a, …] -> [N, k] and [N, k, …]; fewer than k only where there are fewer.

    >>> one = torch.tensor([[1, 4]]), torch.tensor([[7, 8]])
    >>> merged(one, (torch.tensor([[3]]), torch.tensor([[9]])), 2)
    (tensor([[1, 3]]), tensor([[7, 9]]))
    """
    distances, belongings = (torch.cat(pair, 1) for pair in zip(one, other, strict=True))
    distances, order = distances.topk(min(k, distances.shape[1]), largest=False)
    rows = torch.arange(len(order), device=order.device)[:, None]
    return distances, belongings[rows, order]
