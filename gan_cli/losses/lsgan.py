"""Least-squares GAN."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gan_cli.checks import require
from gan_cli.losses.base import SeparableLoss
from gan_cli.types import Score


@dataclass(frozen=True)
class LSGAN(SeparableLoss):
    """The critic fits targets b on real and a on generated examples, the generator wants c, all in squares.

    Critic: L = ½E_P[(V-b)²] + ½E_Q[(V-a)²], least at V* = (bp+aq)/(p+q), where 2 - 8L/(b-a)² is the
    triangular discrimination Δ(P, Q) = ∫ (p-q)²/(p+q), between 0 and 2. Generator: ½E_Q[(V-c)²]; where
    b-c = 1 and b-a = 2 this is ½Δ at V*, up to the term ½E_P[(V*-c)²] that has no gradient in G.

    Errors: ValueError unless a and b differ.
    Source: Mao et al., Least Squares GAN (2017), the a-b-c objective, its best critic and the two codings
    (a, b, c) = (-1, 1, 0) and (0, 1, 1).

    >>> LSGAN().bound(torch.tensor([0.5]), torch.tensor([0.5]))
    tensor(0.)
    """

    a: float = 0.0
    b: float = 1.0
    c: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.a, Tensor) and not isinstance(self.b, Tensor):
            require(
                self.a != self.b, "a", f"other than b = {self.b}, or real and fake have one target", self.a
            )

    @property
    def divergence_name(self) -> str:
        return "Δ(P, Q)"

    def on_real(self, score: Score) -> Tensor:
        return (score - self.b) ** 2 / 2

    def on_fake(self, score: Score) -> Tensor:
        return (score - self.a) ** 2 / 2

    def on_generated(self, score: Score) -> Tensor:
        return (score - self.c) ** 2 / 2

    def bound(self, real: Score, fake: Score) -> Tensor:
        loss = self.on_real(real).mean() + self.on_fake(fake).mean()
        return 2 - 8 * loss / (self.b - self.a) ** 2

    def log_ratio(self, score: Score) -> Tensor:
        """ln (V-a)/(b-V); ±∞ for scores at or beyond the targets."""
        return torch.logit(((score - self.a) / (self.b - self.a)).clamp(0.0, 1.0))

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return self.a + (self.b - self.a) * torch.sigmoid(log_ratio)
