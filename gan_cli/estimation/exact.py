"""The divergence itself, where both densities are known: by quadrature, or as a mean with its own error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gan_cli.data.base import Distribution
from gan_cli.estimation.parts import best_parts
from gan_cli.losses.base import Loss
from gan_cli.streams import Streams

_REACH = 12.0
"""Deviations around the modes that the quadrature covers; it is held against twice as many."""
_FINEST = {1: 400_000, 2: 1600}
"""The most points on a side of the grid."""
_PER_SCALE = {1: 100.0, 2: 8.0}
_COARSEST = 3.0
"""Points in the least deviation that a grid needs to be trusted."""
_DRAWS, _AT_ONCE = 1_000_000, 50_000
_SAME = 1e-6


@dataclass(frozen=True)
class Exact:
    """The value, its error (of a mean one standard error, of a quadrature the change at half the points), the
    way."""

    value: float
    error: float
    method: Literal["quadrature", "Monte Carlo"]


def exact(loss: Loss, p: Distribution, q: Distribution, streams: Streams) -> Exact | None:
    """What `loss.bound` reaches at the best critic between p and q; ∞ where the integral diverges.

    Quadrature on the line and in the plane, unless the loss compares pairs or the modes are too narrow for a
    grid; else a million draws of either side. None where the best critic is no function of ln p/q.
    """
    zero = torch.zeros(1, dtype=torch.float64)
    if best_parts(loss, zero, zero) is None:
        return None
    if not loss.paired and p.modes.shape[1] <= 2:
        found = _quadrature(loss, p, q)
        if found is not None:
            return found
    return _monte_carlo(loss, p, q, streams)


def _quadrature(loss: Loss, p: Distribution, q: Distribution) -> Exact | None:
    near, wide = (_integral(loss, p, q, reach) for reach in (_REACH, 2 * _REACH))
    if near is None or wide is None:
        return None
    (fine, coarse), (further, _) = near, wide
    # What has not converged at twelve deviations grows without end at more.
    if not math.isfinite(further) or abs(further - fine) > _SAME * max(1.0, abs(fine)) + 2 * abs(
        fine - coarse
    ):
        return Exact(math.inf, 0.0, "quadrature")
    return Exact(fine, abs(fine - coarse), "quadrature")


def _integral(loss: Loss, p: Distribution, q: Distribution, reach: float) -> tuple[float, float] | None:
    """∫ p·a(x) + q·b(x) for the parts a, b of the best critic, by the trapezoid rule and by it at half the
    points."""
    modes = torch.cat([p.modes, q.modes]).double().cpu()
    scales = torch.cat([p.scale, q.scale]).double().cpu()
    low, high = (
        (modes - reach * scales[:, None]).min(0).values,
        (modes + reach * scales[:, None]).max(0).values,
    )
    size = modes.shape[1]
    wanted = float((high - low).max()) / float(scales.min()) * _PER_SCALE[size]
    side = 2 * math.ceil(min(wanted, _FINEST[size]) / 2) + 1
    steps = (high - low) / (side - 1)
    if float(steps.max()) > float(scales.min()) / _COARSEST:
        return None
    axes = [
        torch.linspace(float(a), float(b), side, dtype=torch.float64) for a, b in zip(low, high, strict=True)
    ]
    points = torch.stack([g.flatten() for g in torch.meshgrid(*axes, indexing="ij")], dim=1)
    values = torch.cat([_integrand(loss, p, q, x) for x in points.split(_AT_ONCE)])
    values = values.reshape([side] * size)
    fine, coarse = values.sum(), values[(slice(None, None, 2),) * size].sum() * 2**size
    cell = float(steps.prod())
    return float(fine) * cell, float(coarse) * cell


def _integrand(loss: Loss, p: Distribution, q: Distribution, x: Tensor) -> Tensor:
    log_p, log_q = _cpu(p.log_density, p, x), _cpu(q.log_density, q, x)
    ratio = log_p - log_q
    best = best_parts(loss, ratio, ratio)
    assert best is not None  # `exact` has asked
    # Where neither density is a number above 0, 0·∞ stands for 0.
    return (log_p.exp() * best.real).nan_to_num(0.0, math.inf, -math.inf) + (
        log_q.exp() * best.fake
    ).nan_to_num(0.0, math.inf, -math.inf)


def _cpu(density: Callable[[Tensor], Tensor], law: Distribution, x: Tensor) -> Tensor:
    return density(x.to(law.modes.device)).cpu()


def _monte_carlo(loss: Loss, p: Distribution, q: Distribution, streams: Streams) -> Exact:
    def ratios(law: Distribution, name: str) -> Tensor:
        chunks = []
        for number in range(_DRAWS // _AT_ONCE):
            x = law.sample(streams.at(f"exact/{name}", number), _AT_ONCE).double()
            chunks.append((p.log_density(x) - q.log_density(x)).cpu())
        return torch.cat(chunks)

    best = best_parts(loss, ratios(p, "p"), ratios(q, "q"))
    assert best is not None
    return Exact(best.mean, best.standard_error, "Monte Carlo")


# --- what is known of two Gaussians without a draw --------------------------------------------------------


def gaussian_moments(loss: Loss, p: Distribution, q: Distribution) -> tuple[bool, bool] | None:
    """Whether the value, and whether the variance of the best critic's bound, is finite between two
    Gaussians.

    T* ~ u^b under P and f*(T*) ~ u^a under Q at either end of u = p/q, so these are moments E_Q[u^s], and
    E_Q[u^s] < ∞ exactly where s·Σp⁻¹ + (1−s)·Σq⁻¹ is positive definite. None for other laws, for a loss that
    compares pairs, and where the best critic is no function of u.
    """
    if p.covariance is None or q.covariance is None or loss.paired:
        return None
    of_p, of_q = (torch.linalg.inv(law.covariance.double()) for law in (p, q) if law.covariance is not None)

    def finite(s: float) -> bool:
        return float(torch.linalg.eigvalsh(s * of_p + (1 - s) * of_q).min()) > 1e-12

    slopes = _slopes(loss)
    if slopes is None:
        return None
    first = all(finite(1 + b) for b in slopes.real) and all(finite(a) for a in slopes.fake)
    second = all(finite(1 + 2 * b) for b in slopes.real) and all(finite(2 * a) for a in slopes.fake)
    return first, second


@dataclass(frozen=True)
class _Slopes:
    real: list[float]
    fake: list[float]


def _slopes(loss: Loss) -> _Slopes | None:
    """The powers of u = p/q with which the best critic's parts grow at u → 0 and u → ∞; 0 for any slower
    way."""
    at = torch.tensor([-80.0, -40.0, 40.0, 80.0], dtype=torch.float64)
    best = best_parts(loss, at, at)
    if best is None or not (best.real.isfinite().all() and best.fake.isfinite().all()):
        return None

    def powers(part: Tensor) -> list[float]:
        size = part.abs().clamp(min=1e-300).log()
        found = [float(size[1] - size[0]) / 40, float(size[3] - size[2]) / 40]
        # A logarithm of u shows as ln 2/40; only growth matters, down at u → 0 and up at u → ∞.
        return [min(found[0], 0.0) if found[0] < -0.02 else 0.0, found[1] if found[1] > 0.02 else 0.0]

    return _Slopes(powers(best.real), powers(best.fake))
