"""Hinge loss."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gan_cli.losses.base import SeparableLoss
from gan_cli.types import Score


@dataclass(frozen=True)
class Hinge(SeparableLoss):
    """Critic: L = E_P[max(0, 1-V)] + E_Q[max(0, 1+V)], least at V* = sign(p-q), where 1 - L/2 is TV(P, Q).

    Generator: -E_Q[V]. V* tells on which side of 1 the density ratio lies, not its size.

    Source: Lim and Ye, Geometric GAN (2017); Miyato et al., Spectral Normalization (2018), (16) and (17).

    >>> import torch
    >>> Hinge().bound(torch.tensor([1.0]), torch.tensor([-1.0]))
    tensor(1.)
    """

    @property
    def divergence_name(self) -> str:
        return "TV(P, Q)"

    def on_real(self, score: Score) -> Tensor:
        return (1 - score).relu()

    def on_fake(self, score: Score) -> Tensor:
        return (1 + score).relu()

    def on_generated(self, score: Score) -> Tensor:
        return -score

    def bound(self, real: Score, fake: Score) -> Tensor:
        return 1 - (self.on_real(real).mean() + self.on_fake(fake).mean()) / 2

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return log_ratio.sign()

    def margin(self, score: Score) -> Tensor:
        return score
