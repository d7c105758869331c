"""The f-GAN family: any divergence with a conjugate becomes a game."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from gan_cli.checks import require
from gan_cli.divergences.base import Divergence
from gan_cli.divergences.total_variation import TotalVariation
from gan_cli.losses.base import SeparableLoss
from gan_cli.types import Score


class FGAN(SeparableLoss):
    """min over G, max over V of E_P[T] - E_Q[f*(T)], T = g_f(V): at the best critic this is D_f(P‖Q).

    generator: "variational" minimises -E_Q[f*(T)], the divergence itself; "heuristic" minimises -E_Q[T],
    which keeps the fixed point and weighs an example by q/p more, so that its gradient does not fade where
    the critic wins. Watch `bound` then: the generator's loss is no divergence. Heuristic is the default, as
    few variational generators get off the ground on images. activation: "paper" takes g_f from the paper's
    table; "log_ratio" takes T = f'(e^V), so that the best V is ln p/q whatever the divergence.

    Errors: ValueError for any other word, and for "log_ratio" with a divergence whose f' is a step.
    Source: Nowozin, Cseke and Tomioka, f-GAN (2016), equations (4), (6) and (7), section 3.2.

    >>> import torch
    >>> from gan_cli.divergences.kl import KL
    >>> FGAN(KL()).critic(torch.tensor([1.0]), torch.tensor([1.0]))
    tensor([0.])
    """

    def __init__(
        self,
        divergence: Divergence,
        generator: Literal["variational", "heuristic"] = "heuristic",
        activation: Literal["paper", "log_ratio"] = "paper",
    ) -> None:
        require(isinstance(divergence, Divergence), "divergence", "a Divergence", divergence)
        require(generator in ("variational", "heuristic"), "generator", "variational or heuristic", generator)
        require(activation in ("paper", "log_ratio"), "activation", "paper or log_ratio", activation)
        rule = f"'paper' for {divergence.name}, whose f' is a step, so that T = f'(e^V) has no gradient"
        require(divergence.smooth or activation == "paper", "activation", rule, activation)
        self.divergence = divergence
        self.objective = generator
        self.activation = activation

    @property
    def zero_sum(self) -> bool:
        return self.objective == "variational" or isinstance(self.divergence, TotalVariation)  # f*(T) = T

    @property
    def divergence_name(self) -> str:
        return self.divergence.name

    def statistic(self, score: Score) -> Tensor:
        if self.activation == "log_ratio":
            return self.divergence.derivative_at_exp(score)
        return self.divergence.activation(score)

    def conjugate(self, score: Score) -> Tensor:
        """f*(T) of the score, in one stable step: [B] -> [B]."""
        if self.activation == "log_ratio":
            return self.divergence.conjugate_at_exp(score)
        return self.divergence.conjugate_of_activation(score)

    def on_real(self, score: Score) -> Tensor:
        return -self.statistic(score)

    def on_fake(self, score: Score) -> Tensor:
        return self.conjugate(score)

    def on_generated(self, score: Score) -> Tensor:
        return -self.conjugate(score) if self.objective == "variational" else -self.statistic(score)

    def bound(self, real: Score, fake: Score) -> Tensor:
        return self.statistic(real).mean() - self.conjugate(fake).mean()

    def log_ratio(self, score: Score) -> Tensor | None:
        return score if self.activation == "log_ratio" else self.divergence.log_ratio(score)

    def optimal_score(self, log_ratio: Tensor) -> Tensor | None:
        return log_ratio if self.activation == "log_ratio" else self.divergence.optimal_score(log_ratio)

    def threshold(self, score: Score) -> Tensor:
        return self.divergence.derivative(score.new_ones(()))

    def margin(self, score: Score) -> Tensor:
        return self.statistic(score) - self.threshold(score)
