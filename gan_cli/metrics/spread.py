"""How far apart samples are: the first thing that shrinks when a generator collapses."""

from __future__ import annotations

import torch
from torch import Tensor

_FEW, _ROWS = 8, 64


def mean_distance(x: Tensor) -> Tensor:
    """E‖x_i − x_j‖ over all pairs i < j, []. x: [N, …], N ≥ 2, each example taken as one vector.

    >>> float(mean_distance(torch.tensor([[0.0, 0.0], [3.0, 4.0]])))
    5.0
    """
    x = x.flatten(1).to(torch.promote_types(x.dtype, torch.float32))
    if x.shape[1] > _FEW:
        return torch.pdist(x).mean()
    # By coordinates, which pdist vectorises over, there is next to nothing to vectorise in so few of them.
    sums = [_distances(x[i : i + _ROWS], x[i:]) for i in range(0, len(x), _ROWS)]
    return torch.stack(sums).sum() / (len(x) * (len(x) - 1) / 2)


def _distances(rows: Tensor, x: Tensor) -> Tensor:
    """Σ ‖x_i − x_j‖ over the pairs i < j of x whose i is among its first points, which are `rows`."""
    squared = torch.zeros(len(rows), len(x), dtype=x.dtype, device=x.device)
    for a, b in zip(rows.T, x.T, strict=True):
        difference = a[:, None] - b
        squared.addcmul_(difference, difference)
    distances = squared.sqrt_()
    return distances.sum() - distances[:, : len(rows)].sum() / 2  # which has each of its pairs twice


def spread(fake: Tensor, real: Tensor) -> Tensor:
    """The mean distance between generated examples over that between real ones, []: 1 is right, 0 collapse.

    A ratio of 1 does not show that all modes are there: two far ones give it too.

    >>> x = torch.tensor([[0.0], [1.0], [2.0]])
    >>> float(spread(0 * x, x)), float(spread(x, x))
    (0.0, 1.0)
    """
    return mean_distance(fake) / mean_distance(real)
