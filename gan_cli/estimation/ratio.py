"""The log density ratio that a critic stands for: how well it is calibrated, and what it says of P and Q."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor

from gan_cli.estimation.parts import Parts

BINS = 15
_FARTHEST = 30.0
"""Where ln p/q is cut: e^30 is past what any sample can tell."""


@dataclass(frozen=True)
class Calibration:
    """ln p/q ← ln p/q / temperature + bias."""

    temperature: float
    bias: float

    def __call__(self, log_ratio: Tensor) -> Tensor:
        """The calibrated log ratio, of the same shape."""
        return log_ratio / self.temperature + self.bias


@dataclass(frozen=True)
class Reliability:
    """Per bin of the predicted probability of P: its share of both laws, mean prediction, and true
    frequency."""

    weight: list[float]
    predicted: list[float]
    true: list[float]

    @property
    def error(self) -> float:
        """The expected calibration error, Σ weight·|predicted − true|."""
        columns = zip(self.weight, self.predicted, self.true, strict=True)
        return sum(weight * abs(predicted - true) for weight, predicted, true in columns)


def cut(log_ratio: Tensor) -> Tensor:
    """The log ratio in float64 within ±30: a score past what any ratio gives stands for ±∞."""
    return log_ratio.double().clamp(-_FARTHEST, _FARTHEST)


def jensen_shannon(real: Tensor, fake: Tensor) -> Parts:
    """ln 2 − cross-entropy of σ(ln p/q) between P and Q with weight ½ each: a lower bound on JSD(P, Q) in
    nats.

    real, fake: the log ratios at examples of P and Q, [n], [m]. Tight where they are exact, whatever loss
    they come from.
    """
    half = math.log(2) / 2
    return Parts(half - F.softplus(-real) / 2, half - F.softplus(fake) / 2)


def calibrate(real: Tensor, fake: Tensor) -> Calibration:
    """The temperature and bias that minimise that cross-entropy, by L-BFGS: [n], [m]. temperature > 0.

    The examples must not be those that the critic was trained on. Source: Guo, Pleiss, Sun and Weinberger, On
    Calibration of Modern Neural Networks (2017), section 4.2 (temperature scaling; the bias is ours).
    """
    on_real, on_fake = real.cpu().numpy(), fake.cpu().numpy()

    def objective(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        slope = math.exp(at[0])
        a, b = slope * on_real + at[1], slope * on_fake + at[1]
        wrong_a, wrong_b = -_sigmoid(-a) / 2, _sigmoid(b) / 2
        value = (np.logaddexp(0, -a).mean() + np.logaddexp(0, b).mean()) / 2
        by_slope = (wrong_a * slope * on_real).mean() + (wrong_b * slope * on_fake).mean()
        return float(value), np.array([by_slope, wrong_a.mean() + wrong_b.mean()])

    found = optimize.minimize(
        objective, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-5, 5), (-20, 20)]
    )
    return Calibration(math.exp(-float(found.x[0])), float(found.x[1]))


def reliability(real: Tensor, fake: Tensor, bins: int = BINS) -> Reliability:
    """The reliability diagram of σ(ln p/q) over `bins` bins of equal width, empty ones left out: [n], [m].

    Both laws have weight ½, however many examples there are of each.
    """
    weight = torch.cat([torch.full_like(real, 0.5 / len(real)), torch.full_like(fake, 0.5 / len(fake))])
    label = torch.cat([torch.ones_like(real), torch.zeros_like(fake)])
    predicted = torch.cat([real, fake]).sigmoid()
    bin_of = (predicted * bins).long().clamp(max=bins - 1)

    def total(values: Tensor) -> Tensor:
        return torch.zeros(bins, dtype=values.dtype, device=values.device).index_add(0, bin_of, values)

    mass, sums, hits = total(weight), total(weight * predicted), total(weight * label)
    held = mass > 0
    mass, sums, hits = mass[held], sums[held], hits[held]
    return Reliability(mass.tolist(), (sums / mass).tolist(), (hits / mass).tolist())


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-np.logaddexp(0, -x))
