"""How far apart samples are: the first thing that shrinks when a generator collapses."""

from __future__ import annotations

import torch
from torch import Tensor


def mean_distance(x: Tensor) -> Tensor:
    """E‖x_i − x_j‖ over all pairs i < j, []. x: [N, …], N ≥ 2, each example taken as one vector.

    >>> float(mean_distance(torch.tensor([[0.0, 0.0], [3.0, 4.0]])))
    5.0
    """
    return torch.pdist(x.flatten(1).to(torch.promote_types(x.dtype, torch.float32))).mean()


def spread(fake: Tensor, real: Tensor) -> Tensor:
    """The mean distance between generated examples over that between real ones, []: 1 is right, 0 collapse.

    A ratio of 1 does not show that all modes are there: two far ones give it too.

    >>> x = torch.tensor([[0.0], [1.0], [2.0]])
    >>> float(spread(0 * x, x)), float(spread(x, x))
    (0.0, 1.0)
    """
    return mean_distance(fake) / mean_distance(real)
