"""Relativistic pairing GAN."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from gan_cli.losses.base import Loss, sorted_rightly
from gan_cli.types import Score


@dataclass(frozen=True)
class RpGAN(Loss):
    """The critic tells which of a pair is real: softplus(-(V_r - V_f)); the generator minimises the reverse.

    ln 2 - E[softplus(-(V_r - V_f))] is a lower bound on JSD(P⊗Q, Q⊗P), the divergence between the pair and
    the swapped pair, between 0 and ln 2: the best difference is ln p(x)q(y)/(q(x)p(y)), so V* = ln p/q is
    optimal. V* + c is as good for every c, so a score alone holds no density ratio. Accuracy: the share of
    pairs in which the real example scores higher.

    Source: Jolicoeur-Martineau, The relativistic discriminator (2018) and On relativistic f-divergences
    (2020); Huang et al., R3GAN (2024).

    >>> import torch
    >>> RpGAN().accuracy(torch.tensor([1.0, 5.0]), torch.tensor([0.0, 6.0]))
    tensor(0.5000)
    """

    paired: ClassVar[bool] = True

    @property
    def divergence_name(self) -> str:
        return "JSD(P⊗Q, Q⊗P)"

    def critic(self, real: Score, fake: Score) -> Tensor:
        return F.softplus(fake - real)

    def generator(self, real: Score, fake: Score) -> Tensor:
        return F.softplus(real - fake)

    def bound(self, real: Score, fake: Score) -> Tensor:
        return math.log(2.0) - F.softplus(fake - real).mean()

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return log_ratio

    def accuracy(self, real: Score, fake: Score) -> Tensor:
        return sorted_rightly(real - fake, fake - real)
