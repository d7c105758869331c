"""What a loss is: scores in, each player's loss an example out, and what the scores say about P and Q."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from gan_cli.types import Score


class Loss(ABC):
    """Both players' objectives as functions of the critic's scores on real and on generated examples.

    All methods are pure and work under `torch.func`. A score is the raw output V(x) of the critic, [B].
    P is the law of the data, Q that of the generator, p and q their densities.
    """

    paired: ClassVar[bool] = False
    """True where real and generated scores are compared with each other: `generator` needs both then."""

    @property
    def zero_sum(self) -> bool:
        """True where the generator minimises minus the critic's loss, but for what no generator moves.

        Against a critic that looks ahead its moves make the rest, E_P, the generator's business too.
        """
        return False

    @property
    @abstractmethod
    def divergence_name(self) -> str:
        """What `bound` is a lower bound on, and equals at the best critic."""

    @abstractmethod
    def critic(self, real: Score, fake: Score) -> Tensor:
        """What the critic minimises the mean of: [B], [B] -> [B]."""

    @abstractmethod
    def generator(self, real: Score, fake: Score) -> Tensor:
        """What the generator minimises the mean of: [B], [B] -> [B]."""

    @abstractmethod
    def bound(self, real: Score, fake: Score) -> Tensor:
        """The critic's lower bound on the divergence, estimated from its scores: [B], [B] -> []."""

    def log_ratio(self, score: Score) -> Tensor | None:
        """ln p(x)/q(x) as a best critic's score tells it; None where the score holds none."""
        return None

    def optimal_score(self, log_ratio: Tensor) -> Tensor | None:
        """The best critic's score where ln p/q is this; None where it is not a function of ln p/q alone."""
        return None

    def statistic(self, score: Score) -> Tensor | None:
        """T(x) = g_f(V(x)) of the variational bound E_P[T] - E_Q[f*(T)]; None for other losses."""
        return None

    def threshold(self, score: Score) -> Tensor | None:
        """The T that a best critic has where p = q, [] of the score's dtype; None where there is no T."""
        return None

    def margin(self, score: Score) -> Tensor | None:
        """Positive where the critic takes an example for real, [B]; None where a score alone is silent."""
        return self.log_ratio(score)

    def accuracy(self, real: Score, fake: Score) -> Tensor | None:
        """Share of examples that the critic sorts rightly, mean over real and generated ones: []."""
        on_real, on_fake = self.margin(real), self.margin(fake)
        return None if on_real is None or on_fake is None else sorted_rightly(on_real, on_fake)

    def measure(self, real: Score, fake: Score) -> dict[str, Tensor]:
        """What an observer may log, by name, each []; a name is absent where the loss gives it no meaning.

        bound; accuracy; T/real, T/fake: means of T; T/threshold: the T of a best critic where p = q;
        D/real, D/fake: means of the implied probability of being real, σ(ln p/q).
        """
        found: dict[str, Tensor | None] = {
            "bound": self.bound(real, fake),
            "accuracy": self.accuracy(real, fake),
            "T/real": _mean(self.statistic(real)),
            "T/fake": _mean(self.statistic(fake)),
            "T/threshold": self.threshold(real),
            "D/real": _mean(_probability(self.log_ratio(real))),
            "D/fake": _mean(_probability(self.log_ratio(fake))),
        }
        return {name: value for name, value in found.items() if value is not None}


class SeparableLoss(Loss):
    """A loss whose critic's part is a sum of one function of the real and one of the generated scores."""

    @abstractmethod
    def on_real(self, score: Score) -> Tensor:
        """The critic's loss on real examples: [B] -> [B]."""

    @abstractmethod
    def on_fake(self, score: Score) -> Tensor:
        """The critic's loss on generated examples: [B] -> [B]."""

    @abstractmethod
    def on_generated(self, score: Score) -> Tensor:
        """The generator's loss on its examples: [B] -> [B]."""

    def critic(self, real: Score, fake: Score) -> Tensor:
        return self.on_real(real) + self.on_fake(fake)

    def generator(self, real: Score, fake: Score) -> Tensor:
        return self.on_generated(fake)


def sorted_rightly(real: Tensor, fake: Tensor) -> Tensor:
    """Mean of the shares of real margins above 0 and generated ones not above: a tie counts half. [].

    >>> sorted_rightly(torch.tensor([1.0, -1.0]), torch.tensor([-1.0, -2.0]))
    tensor(0.7500)
    """
    return ((real > 0).float().mean() + (fake <= 0).float().mean()) / 2


def _mean(values: Tensor | None) -> Tensor | None:
    return None if values is None else values.mean()


def _probability(log_ratio: Tensor | None) -> Tensor | None:
    return None if log_ratio is None else torch.sigmoid(log_ratio)
