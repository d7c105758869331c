"""One estimate: train a critic, judge it on held-out examples, and say how far to trust the number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gan_cli.data.base import Distribution
from gan_cli.estimation.parts import Parts, at_equality, parts
from gan_cli.estimation.ratio import Calibration, Reliability, calibrate, cut, jensen_shannon, reliability
from gan_cli.estimation.samples import Source
from gan_cli.estimation.tails import Tail, doubts_of, tail
from gan_cli.estimation.training import Check, Critic, Settings, scores, train
from gan_cli.estimation.truth import Truth, held_against
from gan_cli.losses.base import Loss
from gan_cli.network import Network
from gan_cli.streams import Streams
from gan_cli.types import Score


@dataclass(frozen=True)
class Value:
    """A bound with its standard error and its 95 % interval."""

    value: float
    standard_error: float
    low: float
    high: float


@dataclass(frozen=True)
class Ratio:
    """The critic's ln p/q: calibration, and JSD(P, Q) in nats as a classifier's ln 2 − cross-entropy."""

    calibration: Calibration
    before: Reliability
    after: Reliability
    jensen_shannon: Value
    jensen_shannon_calibrated: Value


@dataclass(frozen=True)
class Estimate:
    """The critic's bound on held-out examples; the interval is that of a lower bound on the divergence.

    at_equality: what the divergence is where P = Q (0, but −ln 4 of the original GAN's), None where unknown.
    reliable: whether mean and interval may be read as such; warnings say why not. real, fake: the tails of
    what was averaged over P and over Q.
    """

    divergence: str
    bound: Value
    at_equality: float | None
    samples: tuple[int, int]
    reliable: bool
    warnings: tuple[str, ...]
    real: Tail
    fake: Tail
    ratio: Ratio | None
    truth: Truth | None


@dataclass(frozen=True)
class Measured:
    """An estimate with what pictures are drawn of: the critic, its checks, and its held-out scores [n],
    [m]."""

    estimate: Estimate
    critic: Critic
    curve: list[Check]
    real: Score
    fake: Score


def refuse(loss: Loss) -> None:
    """Raise ValueError for a loss whose bound holds for Lipschitz critics alone: nothing holds this one to
    any."""
    zero = torch.zeros(1)
    if loss.optimal_score(zero) is None and loss.statistic(zero) is None:
        raise ValueError(
            f"loss must be bounded over all critics, got one for {loss.divergence_name}: without a Lipschitz "
            "constraint, which an estimate has not, its bound only grows with the steps; choose an "
            "f-divergence"
        )


def estimate(
    loss: Loss,
    network: Network,
    p: Source,
    q: Source,
    settings: Settings,
    streams: Streams,
    laws: tuple[Distribution, Distribution] | None = None,
    told: Callable[[int, Check | None], None] = lambda step, check: None,
) -> Measured:
    """The bound of a critic trained between p and q on the examples that both hold out.

    laws: P and Q where their densities are known. Raises ValueError as `refuse` does, and RunError where the
    training diverges.
    """
    refuse(loss)
    critic, curve = train(loss, network, p, q, settings, streams.seed, told)
    real, fake = (scores(critic, side.part("held_out", settings.samples)) for side in (p, q))
    found = parts(loss, real, fake)
    truth, doubts = None, []
    tails = tail(found.real), (tail(found.fake) if len(found.fake) else tail(found.real))
    size = found.mean - (at_equality(loss) or 0.0)
    for name, one in zip(("P", "Q"), tails, strict=True):
        doubts += doubts_of("held-out", name, one, size)
    if laws is not None:
        truth, more = held_against(loss, laws, (p, q), (real, fake), found.mean, settings.samples, streams)
        doubts += more
    result = Estimate(
        divergence=loss.divergence_name,
        bound=value_of(found),
        at_equality=at_equality(loss),
        samples=(len(real), len(fake)),
        reliable=not doubts,
        warnings=tuple(dict.fromkeys(doubts)),
        real=tails[0],
        fake=tails[1],
        ratio=_ratio(loss, critic, p, q, real, fake, settings),
        truth=truth,
    )
    return Measured(result, critic, curve, real, fake)


def value_of(found: Parts) -> Value:
    """The bound of these parts."""
    return Value(found.mean, found.standard_error, *found.interval)


def _ratio(
    loss: Loss, critic: Critic, p: Source, q: Source, real: Score, fake: Score, settings: Settings
) -> Ratio | None:
    if loss.log_ratio(real[:1]) is None:
        return None

    def read(score: Score) -> Tensor:
        found = loss.log_ratio(score)
        assert found is not None
        return cut(found)

    fitted = calibrate(*(read(scores(critic, side.part("calibration", settings.few))) for side in (p, q)))
    a, b = read(real), read(fake)
    return Ratio(
        calibration=fitted,
        before=reliability(a, b),
        after=reliability(fitted(a), fitted(b)),
        jensen_shannon=value_of(jensen_shannon(a, b)),
        jensen_shannon_calibrated=value_of(jensen_shannon(fitted(a), fitted(b))),
    )
