"""The Parzen window estimate of a log-likelihood: unseen examples under a mixture of Gaussians, one a sample.

A number of nats belongs to its unit (stretching x by a lowers the log-density of D dimensions by D ln a), to
its number of samples, and to how the bandwidth was chosen and on what. Sources: Goodfellow et al. 2014,
section 5; Nowozin et al. 2016, section 4; a warning: Theis, van den Oord and Bethge 2016, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gan_cli.checks import require

_ELEMENTS = 1 << 22
"""Distances held at a time: 16 MiB in single precision, which a processor's cache still helps with."""


@torch.no_grad()
def parzen_log_density(x: Tensor, samples: Tensor, bandwidths: Tensor) -> Tensor:
    """ln (1/N) Σ_j N(x_i; s_j, σ_k² I) in nats, for all bandwidths from one pass over the distances: [K, M].

    x: [M, …]; samples: [N, …], each example taken as one vector of D numbers; bandwidths: [K], σ > 0, in the
    unit of x. Memory beyond copies of the inputs is bounded, whatever M and N. Exact to rounding in double
    precision; in single, to about 1e-6 of the squared distances over 2σ². Samples that are not finite make
    every density NaN. Raises ValueError for shapes that differ and for no sample.

    >>> nats = parzen_log_density(torch.zeros(1, 2), torch.zeros(5, 2), torch.tensor([1.0, 2.0]))
    >>> [round(float(value), 4) for value in nats[:, 0]]  # −ln 2πσ²
    [-1.8379, -3.2242]
    """
    shape = tuple(x.shape[1:])
    require(len(samples) > 0, "samples", "at least one", len(samples))
    require(samples.shape[1:] == shape, "samples", f"of shape {shape}", tuple(samples.shape[1:]))
    samples, x, bandwidths = samples.flatten(1), x.flatten(1), bandwidths.to(x)
    # Distances as differences of squares lose digits to the squares: about the centre these are smallest.
    centre = samples.mean(0)
    samples, x = samples - centre, x - centre
    halves = samples.square().sum(1) / 2
    precisions = bandwidths.square().reciprocal().unbind()
    found = [_log_sums(rows, samples, halves, precisions) for rows in _parts(x, len(samples))]
    constants = math.log(len(samples)) + samples.shape[1] * (bandwidths.log() + math.log(2 * math.pi) / 2)
    return torch.cat(found, 1) - constants[:, None] if found else x.new_empty(len(bandwidths), 0)


def cross_validation(samples: Tensor, bandwidths: Tensor, folds: int = 3, most: int | None = None) -> Tensor:
    """The mean log-density of each fold's samples under those of the other folds, for all bandwidths: [K].

    samples: [N, …]; fold k holds every folds-th one from the k-th on. most: about so many of each are scored,
    taken evenly; None: all. Raises ValueError for fewer than two folds and for fewer samples than folds.
    """
    require(folds >= 2, "folds", "at least 2", folds)
    require(len(samples) >= folds, "samples", f"at least as many as folds={folds}", len(samples))
    number = torch.arange(len(samples), device=samples.device) % folds
    scores = []
    for fold in range(folds):
        held_out = samples[fold::folds]
        held_out = held_out[:: max(1, len(held_out) // (most or len(held_out)))]
        scores.append(parzen_log_density(held_out, samples[number != fold], bandwidths))
    return torch.cat(scores, 1).mean(1)


def best_bandwidth(
    score: Callable[[Tensor], Tensor], least: float, greatest: float, count: int, refine: int = 0
) -> Tensor:
    """The best of `count` bandwidths evenly spaced in the logarithm, [] in double precision on the CPU.

    score: bandwidths [K] -> [K], the greater the better. Where the greatest is the best the search goes on
    above it, in like steps, until one is worse: all log-densities fall in the end, by D ln σ. It does not go
    below the least, for samples that repeat what they are judged on would have it at 0. refine: so often the
    search is repeated between the two neighbours of the best, with as many bandwidths: in D dimensions a
    bandwidth wrong by a factor e^δ costs about Dδ² nats, so a coarse grid is felt. Where all scores are NaN
    it is the least bandwidth.

    >>> round(float(best_bandwidth(lambda sigma: -(sigma - 20).abs(), 0.1, 1, 11, refine=3)), 1)
    20.0
    """
    grid = torch.linspace(math.log(least), math.log(greatest), count, dtype=torch.float64, device="cpu")
    above = grid[1:] - grid[0]
    scores = _scored(score, grid)
    while int(scores.argmax()) == len(grid) - 1:
        more = grid[-1] + above
        grid, scores = torch.cat([grid, more]), torch.cat([scores, _scored(score, more)])
    for _ in range(refine):
        best = int(scores.argmax())
        low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)])
        grid = torch.linspace(low, high, count, dtype=torch.float64, device="cpu")
        scores = _scored(score, grid)
    return grid[scores.argmax()].exp()


def _scored(score: Callable[[Tensor], Tensor], grid: Tensor) -> Tensor:
    return score(grid.exp()).cpu().nan_to_num(-math.inf)


def _parts(x: Tensor, width: int) -> Iterator[Tensor]:
    return iter(x.split(max(1, _ELEMENTS // width)) if len(x) else ())


def _log_sums(x: Tensor, samples: Tensor, halves: Tensor, precisions: tuple[Tensor, ...]) -> Tensor:
    """ln Σ_j exp(−‖x_i − s_j‖²/2σ_k²), [K, m]; halves: ‖s_j‖²/2."""
    gaps = torch.addmm(halves[None], x, samples.T, alpha=-1)  # ‖x − s‖²/2 less ‖x‖²/2
    least = gaps.amin(1, keepdim=True)
    gaps -= least  # 0 for the nearest sample: the largest exponential is 1
    nearest = (least[:, 0] + x.square().sum(1) / 2).clamp_min(0)
    work = torch.empty_like(gaps)
    sums = []
    for precision in precisions:
        torch.mul(gaps, -precision, out=work)
        sums.append(work.exp_().sum(1).log() - nearest * precision)
    return torch.stack(sums)
