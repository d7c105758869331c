"""How many modes of a known mixture a sample covers, and how well."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class ModeCoverage(NamedTuple):
    """modes_covered: []; high_quality: [], in [0, 1]; reverse_kl: [], in nats; effective_modes: []."""

    modes_covered: Tensor
    high_quality: Tensor
    reverse_kl: Tensor
    effective_modes: Tensor


def mode_coverage(
    samples: Tensor, modes: Tensor, scale: Tensor | float, weights: Tensor | None = None, radius: float = 3.0
) -> ModeCoverage:
    """Modes covered, share of high quality, and KL(q‖p) of the histogram over modes.

    Each sample belongs to its nearest mode; it is of high quality within `radius` of that mode's standard
    deviations (Srivastava et al. 2017, VEEGAN, §4.1: three). A mode is covered if a sample of high quality is
    its own. KL(q‖p) = Σ_m q_m ln(q_m/p_m), q_m the share of all samples that belong to mode m, p = `weights`
    (uniform by default). The effective number of modes is exp(−Σ_m q_m ln q_m), the perplexity of q: M where
    all have equal shares, 1 where one has everything.

    samples: [N, D]; modes: [M, D]; scale: [M] or a number; weights: [M]. Samples that are not finite
    belong to no mode; if all are such, the last two are NaN.

    >>> modes = torch.tensor([[0.0], [10.0]])
    >>> found = mode_coverage(torch.tensor([[0.1], [-0.2], [10.0], [5.1]]), modes, 0.1)
    >>> [round(float(value), 2) for value in found]
    [2.0, 0.75, 0.0, 2.0]
    """
    finite = samples.isfinite().all(1)
    total = max(len(samples), 1)
    samples = samples[finite].to(modes.dtype)
    scales = torch.as_tensor(scale, dtype=modes.dtype, device=modes.device).expand(len(modes))
    # The differences themselves: cdist may go through products, which lose a narrow mode far from 0.
    distance, nearest = (samples[:, None] - modes).square().sum(-1).sqrt().min(1)
    good = distance <= radius * scales[nearest]
    counts = torch.bincount(nearest, minlength=len(modes)).to(modes.dtype)
    covered = (torch.bincount(nearest[good], minlength=len(modes)) > 0).sum()
    p = torch.full_like(counts, 1 / len(modes)) if weights is None else weights.to(counts)
    q = counts / counts.sum()
    kl = (torch.xlogy(q, q) - torch.xlogy(q, p)).sum()
    return ModeCoverage(covered, good.sum() / total, kl, torch.xlogy(q, q).sum().neg().exp())
