"""What several ways to play a round do with the tensors of a tree."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def first_places(leaves: Sequence[Tensor]) -> tuple[int, ...]:
    """For each tensor its number among the distinct ones.

    >>> a, b = torch.zeros(1), torch.zeros(1)
    >>> first_places([a, b, a])
    (0, 1, 0)
    """
    numbers: dict[int, int] = {}
    return tuple(numbers.setdefault(id(leaf), len(numbers)) for leaf in leaves)


def distinct(leaves: Sequence[Tensor], places: Sequence[int]) -> list[Tensor]:
    """The distinct ones of the tensors, in the order of their numbers, which `first_places` gives."""
    seen: dict[int, Tensor] = {}
    for place, leaf in zip(places, leaves, strict=True):
        seen.setdefault(place, leaf)
    return list(seen.values())


def laid_out(x: Tensor, like: Tensor) -> Tensor:
    """x with the strides of `like`."""
    return x if x.stride() == like.stride() else torch.empty_like(like).copy_(x)
