"""Maxout networks for flattened images: the critic of the first GAN paper (Goodfellow et al. 2014)."""

from __future__ import annotations

import itertools
import math

from torch import Tensor, nn

from gan_cli.checks import at_least_one


class Maxout(nn.Module):
    """y_u = max_k (W_uk·x + b_uk), the greatest of `pieces` affine maps a unit: [B, D] -> [B, units].

    Weights U(−r, r), r = `spread`; biases 0 (Goodfellow et al. 2013, Maxout networks, section 2).
    """

    def __init__(self, size: int, units: int, pieces: int, spread: float):
        super().__init__()
        self.pieces = pieces
        self.affine = nn.Linear(size, units * pieces)
        nn.init.uniform_(self.affine.weight, -spread, spread)
        nn.init.zeros_(self.affine.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.affine(x).unflatten(1, (-1, self.pieces)).amax(2)  # type: ignore[no-any-return]


class Critic(nn.Module):
    """x → depth × maxout of `width` units of `pieces` maps each → Linear 1.

    spread: all weights begin in U(−spread, spread). Raises ValueError for sizes below 1.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: int = 240,
        pieces: int = 5,
        depth: int = 2,
        spread: float = 0.005,
    ):
        super().__init__()
        at_least_one(width=width, pieces=pieces, depth=depth)
        sizes = [math.prod(shape), *(width for _ in range(depth))]
        hidden = [Maxout(a, b, pieces, spread) for a, b in itertools.pairwise(sizes)]
        last = nn.Linear(width, 1)
        nn.init.uniform_(last.weight, -spread, spread)
        nn.init.zeros_(last.bias)
        self.body = nn.Sequential(*hidden, last)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x.flatten(1)).squeeze(1)  # type: ignore[no-any-return]
