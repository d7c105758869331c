"""An estimate held against the densities, where both are known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gan_cli.data.base import Distribution
from gan_cli.estimation.exact import Exact, exact, gaussian_moments
from gan_cli.estimation.parts import at_equality, best_parts
from gan_cli.estimation.ratio import cut
from gan_cli.estimation.samples import Source
from gan_cli.estimation.tails import doubts_of, tail
from gan_cli.losses.base import Loss
from gan_cli.losses.fgan import FGAN
from gan_cli.streams import Streams
from gan_cli.types import Score

_FAR, _ROUNDING = 0.25, 1e-2
"""A bound that is further off than this share of the exact value, and than this, is nobody's estimate."""


@dataclass(frozen=True)
class Truth:
    """What is known where both densities are.

    exact: what the bound is of; relative_error: (bound − exact)/(exact − the value at P = Q); compared:
    whether V or, where the best V is infinite, T is held against the best one; squared_error, correlation: of
    those over P and Q with weight ½ each; ratio_error: √E(ln p/q by the critic − ln p/q)², None where the
    score holds no ratio.
    """

    exact: Exact
    relative_error: float
    compared: str
    squared_error: float
    correlation: float
    ratio_error: float | None


def held_against(
    loss: Loss,
    laws: tuple[Distribution, Distribution],
    sides: tuple[Source, Source],
    learned: tuple[Score, Score],
    bound: float,
    samples: int,
    streams: Streams,
) -> tuple[Truth | None, list[str]]:
    """What the densities say, and why they say that the number cannot be trusted."""
    known = exact(loss, *laws, streams)
    if known is None:
        return None, []
    ratios = [
        torch.cat([(laws[0].log_density(x) - laws[1].log_density(x)) for x in _double(side, samples)])
        for side in sides
    ]
    doubts = []
    moments = gaussian_moments(loss, *laws)
    if math.isinf(known.value) or (moments is not None and not moments[0]):
        doubts.append(f"{loss.divergence_name} is infinite here: no finite number is right")
        known = Exact(math.inf, 0.0, known.method)
    elif moments is not None and not moments[1]:
        doubts.append("the variance of the best critic's bound is infinite between these two Gaussians")
    best = best_parts(loss, *ratios)
    assert best is not None  # `exact` has asked
    above = known.value - (at_equality(loss) or 0.0)
    for name, side in (("P", best.real), ("Q", best.fake)):
        if len(side):
            doubts += doubts_of("best critic's", name, tail(side), above)
    relative = (bound - known.value) / above if above and math.isfinite(above) else math.nan
    if abs(relative) > _FAR and abs(bound - known.value) > 5 * known.error + _ROUNDING:
        doubts.append(f"the bound is {relative:+.0%} off the exact value: this critic is far from the best")
    compared, error, correlation = _distance(loss, torch.cat(learned), torch.cat(ratios))
    return Truth(known, relative, compared, error, correlation, _ratio_error(loss, learned, ratios)), doubts


def _double(side: Source, most: int) -> list[Tensor]:
    return [x.double() for x in side.part("held_out", most)]


def _distance(loss: Loss, learned: Score, ratio: Tensor) -> tuple[str, float, float]:
    """V against the best V, or T against the best T where that V is infinite somewhere."""
    best = loss.optimal_score(ratio)
    name = "score"
    if isinstance(loss, FGAN) and (best is None or not bool(best.isfinite().all())):
        name, learned, best = "T", loss.statistic(learned), loss.divergence.derivative_at_exp(ratio)
    assert best is not None
    if loss.paired:  # a score has no level there
        learned, best = learned - learned.mean(), best - best.mean()
    pair = torch.stack([learned, best])
    return name, float((learned - best).square().mean()), float(torch.corrcoef(pair)[0, 1])


def _ratio_error(loss: Loss, learned: tuple[Score, Score], ratios: list[Tensor]) -> float | None:
    by_critic = loss.log_ratio(torch.cat(learned))
    if by_critic is None:
        return None
    return float((cut(by_critic) - cut(torch.cat(ratios))).square().mean().sqrt())
