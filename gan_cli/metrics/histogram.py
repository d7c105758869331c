"""A histogram of samples over known classes against the shares that the classes should have."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class HistogramFit(NamedTuple):
    """covered: [], how many classes have a sample; kl: [], in nats."""

    covered: Tensor
    kl: Tensor


def histogram_fit(classes: Tensor, shares: Tensor) -> HistogramFit:
    """Classes covered, and KL(q‖p) = Σ_m q_m ln(q_m/p_m) of the samples' histogram q from the shares p.

    It is biased upwards: N samples of p itself give (M − 1)/(2N) on average, to first order, for M classes of
    a share above 0 (Miller 1955). A sample of a class without a share makes it infinite; no samples, NaN.

    classes: int64 [N] in 0 … M − 1; shares: [M], summing to 1. The arithmetic is float64.

    >>> covered, kl = histogram_fit(torch.tensor([0, 0, 1, 1]), torch.full((4,), 0.25))
    >>> int(covered), round(kl.item(), 4)
    (2, 0.6931)
    """
    counts = torch.bincount(classes, minlength=len(shares)).double()
    q, p = counts / counts.sum(), shares.to(counts)
    return HistogramFit((counts > 0).sum(), (torch.xlogy(q, q) - torch.xlogy(q, p)).sum())


def sampling_floor(classes: int, samples: int) -> float:
    """(M − 1)/(2N): the KL(q‖p) in nats that N samples of p itself have on average, to first order.

    >>> round(sampling_floor(1000, 26_000), 4)
    0.0192
    """
    return (classes - 1) / (2 * samples)
