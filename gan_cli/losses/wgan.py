"""Wasserstein GAN."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gan_cli.losses.base import SeparableLoss, sorted_rightly
from gan_cli.types import Score


@dataclass(frozen=True)
class WGAN(SeparableLoss):
    """min over G, max over K-Lipschitz V of E_P[V] - E_Q[V]: at the best critic K·W₁(P, Q).

    The loss does not hold the critic to any K: a gradient penalty, weight clipping or spectral normalisation
    must, or the bound is none. Scores have no absolute level, so the accuracy is that of a threshold half-way
    between their two means, and there is no density ratio.

    Source: Arjovsky, Chintala and Bottou, Wasserstein GAN (2017), equation (2).

    >>> import torch
    >>> WGAN().bound(torch.tensor([3.0]), torch.tensor([1.0]))
    tensor(2.)
    """

    @property
    def zero_sum(self) -> bool:
        return True

    @property
    def divergence_name(self) -> str:
        return "K·W₁(P, Q)"

    def on_real(self, score: Score) -> Tensor:
        return -score

    def on_fake(self, score: Score) -> Tensor:
        return score

    def on_generated(self, score: Score) -> Tensor:
        return -score

    def bound(self, real: Score, fake: Score) -> Tensor:
        return real.mean() - fake.mean()

    def accuracy(self, real: Score, fake: Score) -> Tensor:
        middle = (real.mean() + fake.mean()) / 2
        return sorted_rightly(real - middle, fake - middle)
