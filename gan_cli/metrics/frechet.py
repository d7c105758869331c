"""The Fréchet distance between two laws of features, each taken for a Gaussian."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from gan_cli.checks import require


class Moments(NamedTuple):
    """Of `size` vectors, all in float64: mean, [F], and scatter Σ_i (x_i − mean)(x_i − mean)ᵀ, [F, F]."""

    size: int
    mean: Tensor
    scatter: Tensor

    @property
    def covariance(self) -> Tensor:
        """scatter/(size − 1), [F, F]. Raises ValueError for a single vector."""
        require(self.size > 1, "samples", "at least 2", self.size)
        return self.scatter / (self.size - 1)


def moments(batches: Iterable[Tensor]) -> Moments:
    """The moments of all vectors of the batches, [B, F] each, holding one batch at a time.

    Two parts' are joined as Chan, Golub and LeVeque 1983 have it, which loses no digits to the mean. Raises
    ValueError where there is no vector.

    >>> found = moments([torch.tensor([[0.0], [2.0]]), torch.tensor([[4.0]])])
    >>> found.size, float(found.mean), float(found.covariance)
    (3, 2.0, 4.0)
    """
    total: Moments | None = None
    for batch in batches:
        if len(batch):
            x = batch.double()
            mean = x.mean(0)
            part = Moments(len(x), mean, (x - mean).T @ (x - mean))
            total = part if total is None else _joined(total, part)
    if total is None:
        raise ValueError("samples must be at least 1, got 0")
    return total


def _joined(one: Moments, two: Moments) -> Moments:
    size = one.size + two.size
    step = two.mean - one.mean
    scatter = one.scatter + two.scatter + torch.outer(step, step) * (one.size * two.size / size)
    return Moments(size, one.mean + step * (two.size / size), scatter)


def frechet_distance(mean1: Tensor, covariance1: Tensor, mean2: Tensor, covariance2: Tensor) -> Tensor:
    """|μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁Σ₂)^½, []: the squared 2-Wasserstein distance of two Gaussians.

    Dowson and Landau 1982; of Inception features the FID of Heusel et al. 2017, Eq. 6. The last trace is the
    sum of the singular values of Σ₁^½ Σ₂^½. Taken so it holds no square root of a rounding error, as it does
    by the eigenvalues of Σ₁Σ₂: covariances without full rank, of fewer examples than features or of a
    collapsed generator, lose no digits. NaN where an entry is not finite.

    mean: [F]; covariance: [F, F], symmetric.

    >>> one, two = torch.eye(2), 4 * torch.eye(2)
    >>> round(float(frechet_distance(torch.zeros(2), one, torch.ones(2), two)), 6)
    4.0
    """
    given = [tensor.double() for tensor in (mean1, covariance1, mean2, covariance2)]
    mean1, covariance1, mean2, covariance2 = given
    if not all(bool(tensor.isfinite().all()) for tensor in given):
        return mean1.new_full((), torch.nan)
    cross = torch.linalg.svdvals(_root(covariance1) @ _root(covariance2)).sum()
    total: Tensor = (mean1 - mean2).square().sum() + covariance1.trace() + covariance2.trace() - 2 * cross
    return total.clamp(min=0)


def _root(covariance: Tensor) -> Tensor:
    """Σ^½. An eigenvalue that may be rounding is 0: its root would be no rounding any more."""
    values, vectors = torch.linalg.eigh(covariance)
    rounding = len(values) * torch.finfo(values.dtype).eps * values.abs().amax()
    root: Tensor = (vectors * torch.where(values > rounding, values, 0).sqrt()) @ vectors.T
    return root
