"""The sliced Wasserstein distance: how far mass has to be carried, seen along random lines."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from gan_cli.checks import one_of, require

_BYTES = 1 << 26


class Sliced(NamedTuple):
    """distance: []; error: [], its standard error over the directions alone."""

    distance: Tensor
    error: Tensor


def directions(generator: torch.Generator, count: int, dimension: int) -> Tensor:
    """Unit vectors drawn evenly from all directions: [count, dimension] float64."""
    drawn = torch.randn(count, dimension, generator=generator, device=generator.device, dtype=torch.float64)
    return normalize(drawn, dim=1)


def wasserstein_1d(x: Tensor, y: Tensor, p: int) -> Tensor:
    """W_p^p between the empirical laws of each row, ∫ |F⁻¹(u) − G⁻¹(u)|^p du: [S, N] and [S, M] -> [S].

    >>> float(wasserstein_1d(torch.tensor([[0.0, 1.0]]), torch.tensor([[4.0, 3.0]]), 2))
    9.0
    """
    (n, m), device = (x.shape[1], y.shape[1]), x.device
    # Both quantile functions are constant between multiples of 1/n and 1/m: whole numbers out of nm.
    steps = torch.cat([torch.arange(1, n + 1, device=device) * m, torch.arange(1, m + 1, device=device) * n])
    steps = steps.unique()
    width = steps.diff(prepend=steps.new_zeros(1)).to(x) / (n * m)
    apart = x.sort(1).values[:, (steps - 1) // m] - y.sort(1).values[:, (steps - 1) // n]
    distance: Tensor = apart.abs().pow(p) @ width
    return distance


def sliced_wasserstein(x: Tensor, y: Tensor, along: Tensor, p: int) -> Sliced:
    """SW_p = (mean over directions θ of W_p^p(θ·x, θ·y))^{1/p}: Bonneel et al. 2015, Definition 7.

    The projections of one direction are sorted, a few directions at a time. Two finite samples of one law are
    never at distance 0: compare samples of the same sizes.

    x: [N, F], y: [M, F]; along: unit vectors, [S, F]; p: 1 or 2. Raises ValueError where a side is empty.
    """
    one_of("p", p, (1, 2))
    require(min(len(x), len(y)) > 0, "samples", "at least 1 of either side", min(len(x), len(y)))
    at_once = max(1, _BYTES // (8 * (len(x) + len(y))))
    powers = torch.cat(
        [wasserstein_1d(_projected(x, part), _projected(y, part), p) for part in along.split(at_once)]
    )
    mean = powers.mean()
    distance = mean.pow(1 / p)
    spread = powers.std() / len(powers) ** 0.5 if len(powers) > 1 else torch.zeros_like(mean)
    # d mean^{1/p} = mean^{1/p} / (p · mean) · d mean, which is 0 where all projections agree.
    error = torch.where(mean > 0, distance * spread / (p * mean), torch.zeros_like(mean))
    return Sliced(distance, error + 0 * mean)


def _projected(x: Tensor, along: Tensor) -> Tensor:
    """θ·x in float64, a few examples at a time: [S, N]."""
    at_once = max(1, _BYTES // (8 * x.shape[1]))
    return torch.cat([along.to(x.device) @ part.double().T for part in x.split(at_once)], 1)
