"""The training examples that samples are nearest to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor

from gan_cli.checks import at_least_one
from gan_cli.metrics.blocks import merged, nearest


class Nearest(NamedTuple):
    """Of each sample the k nearest training examples, nearest first: distances [N, k] and examples
    [N, k, *shape]."""

    distances: Tensor
    examples: Tensor


def neighbours(samples: Tensor, training: Iterable[Tensor], k: int) -> Nearest:
    """The k nearest of all training examples by the Euclidean distance of pixels: exact, a part at a time.

    samples: [N, *shape]; training: parts [B, *shape]. There are fewer than k only where there are fewer
    examples. Raises ValueError for k < 1 or no training example.
    """
    at_least_one(k=k)
    flat, best = samples.flatten(1), None
    for part in training:
        distances, index = nearest(flat, part.flatten(1), min(k, len(part)))
        found = Nearest(distances, part[index])
        best = found if best is None else Nearest(*merged(best, found, k))
    if best is None:
        raise ValueError("training must be at least one example, got none")
    return best
