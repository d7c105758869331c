"""Label smoothing, a trick that wraps a loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gan_cli.checks import require
from gan_cli.losses.base import SeparableLoss
from gan_cli.types import Score


@dataclass(frozen=True)
class LabelSmoothing(SeparableLoss):
    """The critic is told that real examples are real with probability `real`, generated ones with `fake`.

    on_real' = real·on_real + (1-real)·on_fake and on_fake' = fake·on_real + (1-fake)·on_fake; the generator's
    loss stays. The best critic is the old one between real·P + fake·Q and (1-real)·P + (1-fake)·Q: its
    D = σ(ln of their ratio) is (real·p + fake·q)/(p+q), and `log_ratio` undoes that. One-sided smoothing
    (fake = 0) is the paper's advice: fake > 0 leaves q in the numerator, and fakes far from all data have
    less reason to move.

    The bound is the wrapped loss's, valid for any critic but no longer tight. A loss that is linear in V
    (WGAN) is bounded over constants V only if real + fake = 1; else the critic's level drifts, unless its
    weights are clipped.

    Errors: ValueError unless 0 ≤ fake < real ≤ 1, and for a loss that is no sum over real and generated.
    Source: Salimans et al., Improved Techniques for Training GANs (2016), section 3.4.

    >>> from gan_cli.losses.gan_ns import NonSaturating
    >>> LabelSmoothing(NonSaturating()).optimal_score(torch.tensor(80.0)).sigmoid()
    tensor(0.9000)
    """

    loss: SeparableLoss
    real: float = 0.9
    fake: float = 0.0

    def __post_init__(self) -> None:
        rule = "a sum over real and fake: drop label_smoothing, or use another loss such as gan_ns"
        require(isinstance(self.loss, SeparableLoss), "loss", rule, type(self.loss).__name__)
        if not isinstance(self.real, Tensor):
            require(0 < self.real <= 1, "real", "in (0, 1]", self.real)
        if not isinstance(self.fake, Tensor):
            require(0 <= self.fake < 1, "fake", "in [0, 1)", self.fake)
        if not isinstance(self.real, Tensor) and not isinstance(self.fake, Tensor):
            require(self.fake < self.real, "fake", f"below real = {self.real}", self.fake)

    @property
    def structural(self) -> tuple[str, ...]:
        """`fake` where it is 0: the game may be zero-sum then."""
        return ("fake",) if not isinstance(self.fake, Tensor) and self.fake == 0 else ()

    @property
    def divergence_name(self) -> str:
        return self.loss.divergence_name

    @property
    def zero_sum(self) -> bool:
        """As the wrapped loss is, unless the critic minimises another function of the generated scores."""
        return self.loss.zero_sum and not isinstance(self.fake, Tensor) and self.fake == 0

    def on_real(self, score: Score) -> Tensor:
        return self.real * self.loss.on_real(score) + (1 - self.real) * self.loss.on_fake(score)

    def on_fake(self, score: Score) -> Tensor:
        return self.fake * self.loss.on_real(score) + (1 - self.fake) * self.loss.on_fake(score)

    def on_generated(self, score: Score) -> Tensor:
        return self.loss.on_generated(score)

    def bound(self, real: Score, fake: Score) -> Tensor:
        return self.loss.bound(real, fake)

    def log_ratio(self, score: Score) -> Tensor | None:
        """ln p/q; ±∞ for scores that no ratio gives a best critic of the smoothed loss."""
        smoothed = self.loss.log_ratio(score)
        if smoothed is None:
            return None
        is_real = (torch.sigmoid(smoothed) - self.fake).clamp(min=0.0)
        is_fake = (torch.sigmoid(-smoothed) - (1 - self.real)).clamp(min=0.0)
        return is_real.log() - is_fake.log()

    def optimal_score(self, log_ratio: Tensor) -> Tensor | None:
        is_real, is_fake = torch.sigmoid(log_ratio), torch.sigmoid(-log_ratio)
        above = self.real * is_real + self.fake * is_fake
        below = (1 - self.real) * is_real + (1 - self.fake) * is_fake
        return self.loss.optimal_score(above.log() - below.log())

    def statistic(self, score: Score) -> Tensor | None:
        return self.loss.statistic(score)

    def threshold(self, score: Score) -> Tensor | None:
        best = self.optimal_score(score.new_zeros(()))
        return None if best is None else self.statistic(best)

    def accuracy(self, real: Score, fake: Score) -> Tensor | None:
        """By the undone density ratio; where there is none, by the wrapped loss's own threshold."""
        found = super().accuracy(real, fake)
        return self.loss.accuracy(real, fake) if found is None else found
