"""The original GAN's minimax game."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from gan_cli.losses.base import SeparableLoss
from gan_cli.types import Score


@dataclass(frozen=True)
class Minimax(SeparableLoss):
    """min over G, max over D of E_P[ln D] + E_Q[ln(1-D)], D = σ(V): at the best critic 2·JSD - ln 4.

    The generator's gradient fades where the critic wins: `NonSaturating` is for that.

    Source: Goodfellow et al., Generative Adversarial Nets (2014), equation (1), theorem 1.

    >>> import torch
    >>> Minimax().critic(torch.tensor([0.0]), torch.tensor([0.0]))
    tensor([1.3863])
    """

    @property
    def zero_sum(self) -> bool:
        return True

    @property
    def divergence_name(self) -> str:
        return "2·JSD(P, Q) - ln 4"

    def on_real(self, score: Score) -> Tensor:
        return F.softplus(-score)

    def on_fake(self, score: Score) -> Tensor:
        return F.softplus(score)

    def on_generated(self, score: Score) -> Tensor:
        return -F.softplus(score)

    def bound(self, real: Score, fake: Score) -> Tensor:
        return -F.softplus(-real).mean() - F.softplus(fake).mean()

    def log_ratio(self, score: Score) -> Tensor:
        return score

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return log_ratio

    def statistic(self, score: Score) -> Tensor:
        """T = ln D."""
        return F.logsigmoid(score)

    def threshold(self, score: Score) -> Tensor:
        return F.logsigmoid(score.new_zeros(()))
