"""Rejection sampling by a density ratio: what is kept follows p where the ratio is exact."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

import pytest
import torch
from scipy import stats
from torch import Tensor

from gan_cli.data.synthetic import Ring
from gan_cli.errors import RunError
from gan_cli.metrics.modes import mode_coverage
from gan_cli.sampling.draws import Part, first, joined
from gan_cli.sampling.rejection import Rejection, shifted
from gan_cli.streams import Streams

P, Q = stats.norm(0.4, 0.7), stats.norm(0.0, 1.0)
STREAMS = Streams(0, torch.device("cpu"))
PEAK = 0.4 / (1 - 0.49)  # where the ratio of these two is greatest


def log_ratio(x: Tensor) -> Tensor:
    p, q = (torch.distributions.Normal(law.mean(), law.std()) for law in (P, Q))
    ratio: Tensor = p.log_prob(x.double()) - q.log_prob(x.double())
    return ratio[:, 0]


def draws(seed: int = 0, size: int = 500) -> Iterator[Part]:
    chance = torch.Generator().manual_seed(seed)
    while True:
        x = torch.randn(size, 1, generator=chance, dtype=torch.float64)
        yield Part(x, x)


def peak() -> list[Part]:
    x = torch.full((1, 1), PEAK, dtype=torch.float64)
    return [Part(x, x)]


def test_an_exact_ratio_gives_samples_of_p() -> None:
    rejection = Rejection(log_ratio, peak(), STREAMS, percentile=None)
    kept = joined(first(rejection(draws()), 6000)).examples[:, 0].numpy()
    assert stats.kstest(kept, P.cdf).pvalue > 1e-3
    assert stats.kstest(kept, Q.cdf).pvalue < 1e-9
    assert abs(kept.mean() - P.mean()) < 4 * P.std() / math.sqrt(len(kept))
    assert abs(kept.var() - P.var()) < 4 * P.var() * math.sqrt(2 / len(kept))
    rate = math.exp(-float(log_ratio(peak()[0].examples)))
    assert rejection.rate == pytest.approx(rate, abs=4 * math.sqrt(rate * (1 - rate) / rejection.tried))


def test_burnt_in_on_the_generators_own_samples() -> None:
    rejection = Rejection(log_ratio, islice(draws(1), 20), STREAMS, percentile=None)
    kept = joined(first(rejection(draws()), 6000)).examples[:, 0].numpy()
    assert float(rejection.maximum) == pytest.approx(float(log_ratio(peak()[0].examples)), abs=1e-4)
    assert stats.kstest(kept, P.cdf).pvalue > 1e-3


def test_the_formula() -> None:
    d = torch.tensor([-3.0, -1.0, -1e-3], dtype=torch.float64)
    maximum = torch.tensor(2.0, dtype=torch.float64)
    torch.testing.assert_close(torch.sigmoid(shifted(d + maximum, maximum)), d.exp())
    below, epsilon = -0.5, 0.01
    expected = below - math.log(1 - math.exp(below - epsilon))
    found = shifted(torch.tensor([below]), torch.tensor(0.0), epsilon)
    torch.testing.assert_close(found, torch.tensor([expected], dtype=torch.float64))
    assert float(torch.sigmoid(shifted(maximum, maximum))) == pytest.approx(1)


def test_the_percentile_is_kept_every_other_time() -> None:
    rejection = Rejection(log_ratio, islice(draws(), 10), STREAMS, percentile=80)
    ratios = torch.cat([log_ratio(part.examples) for part in islice(draws(), 10)])
    at = torch.quantile(ratios, 0.8)
    torch.testing.assert_close(rejection.probability(at[None]), torch.tensor([0.5], dtype=torch.float64))
    gamma = torch.quantile(shifted(ratios, ratios.max()), 0.8)
    torch.testing.assert_close(rejection.gamma, gamma, rtol=0.01, atol=0.01)
    choosier = Rejection(log_ratio, islice(draws(), 10), STREAMS, percentile=95)
    assert bool((choosier.probability(ratios) <= rejection.probability(ratios)).all())


def test_the_maximum_grows() -> None:
    x = torch.tensor([[-2.0]], dtype=torch.float64)
    rejection = Rejection(log_ratio, [Part(x, x)], STREAMS)
    assert float(rejection.maximum) == float(log_ratio(x))
    list(rejection(peak()))
    assert float(rejection.maximum) == float(log_ratio(peak()[0].examples))


def test_the_first_of_many_are_the_few() -> None:
    def kept(n: int) -> Tensor:
        rejection = Rejection(log_ratio, islice(draws(1), 2), STREAMS)
        return joined(first(rejection(draws()), n)).examples

    assert torch.equal(kept(40), kept(900)[:40])


def test_every_pass_keeps_the_same() -> None:
    x = torch.tensor([[-2.0]], dtype=torch.float64)
    rejection = Rejection(log_ratio, [Part(x, x)], STREAMS, percentile=None)
    one, two = (joined(first(rejection(draws()), 300)).examples for _ in range(2))
    assert torch.equal(one, two)


def test_a_ring_gains_quality() -> None:
    ring = Ring().load()
    noise = 0.1

    def wide(seed: int) -> Iterator[Part]:
        chance = torch.Generator().manual_seed(seed)
        while True:
            x = ring.sample(chance, 500)
            x = x + noise * torch.randn(x.shape, generator=chance)
            yield Part(x, x)

    def ratio(x: Tensor) -> Tensor:
        spread = (ring.scale.double() ** 2 + noise**2).sqrt()
        parts = torch.distributions.Normal(ring.modes.double(), spread[:, None])
        wider: Tensor = parts.log_prob(x.double()[:, None]).sum(-1).logsumexp(1) - math.log(len(ring.modes))
        return ring.log_density(x.double()) - wider

    rejection = Rejection(ratio, islice(wide(1), 20), STREAMS)
    kept = joined(first(rejection(wide(0)), 1000)).examples
    before = mode_coverage(joined(first(wide(0), 1000)).examples, ring.modes, ring.scale)
    after = mode_coverage(kept, ring.modes, ring.scale)
    assert float(before.high_quality) < 0.4
    assert float(after.high_quality) > 0.6
    assert float(after.modes_covered) == 8
    exact = Rejection(ratio, islice(wide(1), 40), STREAMS, percentile=None)
    pure = joined(first(exact(wide(0)), 1000)).examples
    assert float(mode_coverage(pure, ring.modes, ring.scale).high_quality) > 0.97


def test_refusals() -> None:
    with pytest.raises(RunError, match="not finite"):
        Rejection(lambda x: x[:, 0] / 0, islice(draws(), 1), STREAMS)
    with pytest.raises(ValueError, match="percentile must be from 0 to 100, got 101"):
        Rejection(log_ratio, peak(), STREAMS, percentile=101)
    x = torch.zeros(1, 1)
    never = Rejection(
        lambda y: torch.where(y[:, 0] == 0, 1000.0, 0.0), [Part(x, x)], STREAMS, percentile=None
    )
    with pytest.raises(RunError, match="refused 100000 samples in a row: set percentile"):
        list(never(part for part in draws()))
