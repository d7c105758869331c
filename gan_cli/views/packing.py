"""Packing: the critic judges several examples at a time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gan_cli.checks import at_least_one


@dataclass(frozen=True)
class Packing:
    """The critic sees `samples` examples side by side and gives them one score (Lin et al. 2018, PacGAN).

    It then tells Pᵐ from Qᵐ, which differ more the more modes Q lacks. Images are stacked along channels,
    points along dimensions, what the critic is told of them likewise; the last step on the way to the
    critic, after all views. Raises ValueError for samples < 1.
    """

    samples: int = 2

    def __post_init__(self) -> None:
        at_least_one(samples=self.samples)


def pack(x: Tensor, m: int) -> Tensor:
    """m consecutive examples as one: [B, C, …] -> [B/m, mC, …]; m must divide B.

    >>> pack(torch.arange(8).view(4, 2), 2)
    tensor([[0, 1, 2, 3],
            [4, 5, 6, 7]])
    """
    return x if m == 1 else x.unflatten(0, (-1, m)).flatten(1, 2)


def packed_shape(shape: torch.Size, m: int) -> torch.Size:
    """The shape of a batch after packing.

    >>> packed_shape(torch.Size([6, 3, 8, 8]), 2)
    torch.Size([3, 6, 8, 8])
    """
    return torch.Size([shape[0] // m, shape[1] * m, *shape[2:]])
