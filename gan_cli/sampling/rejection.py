"""Discriminator rejection sampling: of the generator's samples, those that the critic's density ratio keeps.

Azadi, Olsson, Darrell, Goodfellow, Odena 2019, Discriminator Rejection Sampling (ICLR), §3 and algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from gan_cli.checks import at_least_one, require
from gan_cli.errors import RunError
from gan_cli.sampling.draws import Part
from gan_cli.streams import Streams

EPSILON = 1e-14
_HOPELESS = 100_000
"""Refused samples in a row after which no more are tried."""


def shifted(log_ratio: Tensor, maximum: Tensor, epsilon: float = EPSILON) -> Tensor:
    """F(x) = D̃ − D̃_M − ln(1 − exp(D̃ − D̃_M − ε)), whose sigmoid is exp(D̃ − D̃_M) at ε = 0: [B] -> [B].

    log_ratio: D̃(x) = ln p(x)/q(x); maximum: D̃_M, its greatest value, []. In float64.
    """
    below = log_ratio.double() - maximum.double()
    return below - torch.log(-torch.expm1(below - epsilon))


class Rejection:
    """Keeps each of the samples with probability σ(F(x) − γ): in the order in which they come.

    The maximum D̃_M is that of `burn_in` samples of the generator, and of every one that came since. γ is 0
    where `percentile` is None: then the probability is p(x)/q(x) over its maximum, and if the critic is
    right and the maximum known, what is kept follows p. In many dimensions that is hardly ever 1; so γ is
    else the given percentile of F over the burn-in, that is F at that percentile of D̃, and a sample at the
    percentile is kept every other time. (The paper takes γ from each batch, which makes a sample depend on
    its neighbours.)

    log_ratio: examples [B, *shape] -> ln p/q, [B]. streams: of the coins. tried, kept: how many in the last
    call so far, without the burn-in. Raises ValueError for a percentile beyond 0 to 100 or an empty burn-in,
    RunError where a ratio is no number.
    """

    def __init__(
        self,
        log_ratio: Callable[[Tensor], Tensor],
        burn_in: Iterable[Part],
        streams: Streams,
        percentile: float | None = 80.0,
    ) -> None:
        require(percentile is None or 0 <= percentile <= 100, "percentile", "from 0 to 100", percentile)
        self._log_ratio, self._streams = log_ratio, streams
        found = [self._ratio(part) for part in burn_in]
        at_least_one(burn_in=sum(map(len, found)))
        ratios = torch.cat(found)
        self.maximum = self._burnt_in = ratios.max()
        self._at = None if percentile is None else torch.quantile(ratios, percentile / 100)
        self.tried = self.kept = 0

    @property
    def gamma(self) -> Tensor:
        """γ for the maximum so far, []."""
        return torch.zeros(()) if self._at is None else shifted(self._at, self.maximum)

    @property
    def rate(self) -> float:
        """The share of samples that was kept so far."""
        return self.kept / max(self.tried, 1)

    def probability(self, log_ratio: Tensor) -> Tensor:
        """How likely a sample is kept, by its ln p/q: [B] -> [B]."""
        return torch.sigmoid(shifted(log_ratio, self.maximum) - self.gamma)

    def __call__(self, parts: Iterable[Part]) -> Iterator[Part]:
        """What is kept of the parts, the same in every call. Raises RunError where that is nothing for very
        long."""
        self.maximum, self.tried, self.kept, refused = self._burnt_in, 0, 0, 0
        for number, part in enumerate(parts):
            ratio = self._ratio(part)
            self.maximum = torch.maximum(self.maximum, ratio.max())
            coins = torch.rand(len(ratio), generator=self._streams.at("rejection", number), dtype=ratio.dtype)
            kept = coins < self.probability(ratio)
            count = int(kept.sum())
            self.tried, self.kept = self.tried + len(ratio), self.kept + count
            refused = 0 if count else refused + len(ratio)
            if refused >= _HOPELESS:
                raise RunError(
                    f"method=drs refused {refused} samples in a row: set percentile=80 or another below 100"
                )
            yield Part(part.latents[kept], part.examples[kept])

    def _ratio(self, part: Part) -> Tensor:
        ratio = self._log_ratio(part.examples).double().cpu()
        if not bool(ratio.isfinite().all()):
            raise RunError("method=drs: the critic's ln p/q of a generated example is not finite")
        return ratio
