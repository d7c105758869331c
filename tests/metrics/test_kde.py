"""The Parzen log-likelihood: scikit-learn's estimator, closed forms, and the rows that the papers report."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.neighbors import KernelDensity
from torch import Tensor

from gan_cli.data.digits import Digits
from gan_cli.data.mnist import MNIST
from gan_cli.data.synthetic import Ring
from gan_cli.evaluation.kde import KDE
from gan_cli.metrics import kde
from gan_cli.metrics.base import Draw, Subject
from gan_cli.metrics.kde import best_bandwidth, cross_validation, parzen_log_density
from gan_cli.streams import Streams

SIGMAS = torch.tensor([0.05, 0.4, 3.0], dtype=torch.float64)


def draws(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("elements", [1, 600, 1 << 22])
@pytest.mark.parametrize("dims", [1, 3, 60])
def test_it_is_scikit_learns_kernel_density(
    dims: int, elements: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kde, "_ELEMENTS", elements)
    samples, x = draws(0, 200, dims) + 5, 2 * draws(1, 41, dims) + 5
    found = parzen_log_density(x, samples, SIGMAS)
    for row, sigma in zip(found, SIGMAS.tolist(), strict=True):
        # One leaf: across several of its tree's leaves scikit-learn loses digits, at worst all of them.
        expected = KernelDensity(bandwidth=sigma, leaf_size=200).fit(samples).score_samples(x)
        np.testing.assert_allclose(row, expected, rtol=1e-11, atol=1e-9)


def test_no_more_distances_are_held_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kde, "_ELEMENTS", 700)
    seen: list[int] = []
    whole = kde._log_sums

    def watched(x: Tensor, samples: Tensor, *rest: Any) -> Tensor:
        seen.append(len(x) * len(samples))
        return whole(x, samples, *rest)

    monkeypatch.setattr(kde, "_log_sums", watched)
    parzen_log_density(draws(0, 50, 2), draws(1, 100, 2), SIGMAS)
    assert sum(seen) == 5000
    assert max(seen) <= 700


def test_single_precision_costs_less_than_a_thousandth_of_a_nat_on_images() -> None:
    images = torch.from_numpy(np.asarray(Digits(size=28).load().images)).flatten(1)
    exact = images.double() / 255
    sigmas = torch.tensor([0.1, 0.2, 1.0])
    found = parzen_log_density(
        exact[:300].float() + 7, exact[300:].float() + 7, sigmas
    )  # far from the origin
    expected = parzen_log_density(
        (exact[:300].float() + 7).double(), (exact[300:].float() + 7).double(), sigmas
    )
    assert (found.mean(1) - expected.mean(1)).abs().max() < 1e-3
    assert (found - expected).abs().max() < 5e-3


def test_a_stretch_shifts_the_log_density_by_its_logarithm_a_dimension() -> None:
    samples, x = draws(0, 90, 7), draws(1, 30, 7)
    stretched = parzen_log_density(0.8 * x + 0.1, 0.8 * samples + 0.1, 0.8 * SIGMAS)
    expected = parzen_log_density(x, samples, SIGMAS) - 7 * math.log(0.8)
    torch.testing.assert_close(stretched, expected)


def test_one_sample_many_times_is_a_gaussian() -> None:
    x = draws(1, 30, 5)
    expected = torch.distributions.Normal(0.25, SIGMAS[:, None, None]).log_prob(x).sum(-1)
    torch.testing.assert_close(parzen_log_density(x, torch.full((40, 5), 0.25).double(), SIGMAS), expected)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_samples_that_are_not_finite_make_every_density_nan(bad: float) -> None:
    samples = draws(0, 20, 3)
    samples[4, 1] = bad
    assert parzen_log_density(draws(1, 6, 3), samples, SIGMAS).isnan().all()


def test_what_is_no_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="samples must be at least one, got 0"):
        parzen_log_density(draws(0, 4, 2), draws(0, 0, 2), SIGMAS)
    with pytest.raises(ValueError, match=r"samples must be of shape \(2,\), got \(3,\)"):
        parzen_log_density(draws(0, 4, 2), draws(0, 4, 3), SIGMAS)
    with pytest.raises(ValueError, match="samples must be at least as many as folds=3, got 2"):
        cross_validation(draws(0, 2, 2), SIGMAS, 3)
    with pytest.raises(ValueError, match="folds must be at least 2, got 1"):
        cross_validation(draws(0, 9, 2), SIGMAS, 1)
    assert parzen_log_density(draws(0, 0, 2), draws(0, 4, 2), SIGMAS).shape == (3, 0)


def test_cross_validation_is_scikit_learns_over_the_same_folds() -> None:
    samples = draws(0, 120, 4)
    split = PredefinedSplit(np.arange(120) % 3)
    search = GridSearchCV(KernelDensity(leaf_size=120), {"bandwidth": SIGMAS.tolist()}, cv=split).fit(samples)
    expected = search.cv_results_["mean_test_score"] / 40  # scikit-learn adds up a fold
    np.testing.assert_allclose(cross_validation(samples, SIGMAS, 3), expected, rtol=1e-9)
    assert float(best_bandwidth(lambda s: cross_validation(samples, s), 0.05, 3, 2)) == pytest.approx(3)


def test_a_part_of_each_fold_gives_a_like_score() -> None:
    samples, sigma = draws(0, 3000, 2), torch.tensor([0.3])
    whole, part = cross_validation(samples, sigma), cross_validation(samples, sigma, most=250)
    assert whole != part
    torch.testing.assert_close(
        part, whole, atol=0.15, rtol=0
    )  # 750 terms with a deviation of 1: three errors


def test_refining_finds_the_best_between_the_grids_values() -> None:
    asked: list[int] = []

    def score(sigmas: Tensor) -> Tensor:
        asked.append(len(sigmas))
        return -(sigmas.log() - math.log(0.3)).square()

    assert float(best_bandwidth(score, 0.01, 1, 5)) == pytest.approx(10**-0.5)
    assert float(best_bandwidth(score, 0.01, 1, 5, refine=8)) == pytest.approx(0.3, rel=1e-2)
    assert asked == [5] * 10
    assert float(best_bandwidth(lambda s: s, 0.01, 1, 5, refine=2)) == pytest.approx(1)
    assert float(best_bandwidth(lambda s: s * math.nan, 0.01, 1, 5)) == pytest.approx(0.01)


def table(images: Tensor) -> Draw:
    """As a run draws from a table: without replacement, sorted as they lie there."""

    def draw(generator: torch.Generator, n: int) -> Tensor:
        return images[torch.randperm(len(images), generator=generator)[:n].sort().values]

    return draw


def subject(
    fake: Draw,
    real: Draw,
    unseen: Draw,
    shape: tuple[int, ...],
    sizes: tuple[int | None, int | None],
    **other: Any,
) -> Subject:
    def latents(generator: torch.Generator, n: int) -> Tensor:
        return torch.randn(n, 1, generator=generator)

    asked: dict[str, Any] = {"step": 3, "pixel_range": None, "latents": latents, "generate": lambda z: z}
    return Subject(
        **asked | other,
        shape=shape,
        real=real,
        fake=fake,
        unseen=unseen,
        examples=sizes[0],
        unseen_examples=sizes[1],
        streams=Streams(0, torch.device("cpu")),
    )


def normal(generator: torch.Generator, n: int) -> Tensor:
    return torch.randn(n, 2, generator=generator)


@pytest.mark.parametrize("protocol", ["cross_validation", "validation"])
def test_a_generator_of_the_right_law_has_minus_its_entropy(protocol: Any) -> None:
    metric = KDE(Ring(), samples=6000, test=4000, protocol=protocol, reference=3000)
    values = metric.measure(subject(normal, normal, normal, (2,), (None, None))).values
    assert tuple(values) == metric.names
    entropy = math.log(2 * math.pi * math.e)  # of N(0, I) in the plane
    assert float(values["kde"]) == pytest.approx(-entropy, abs=0.05)
    assert float(values["kde_error"]) == pytest.approx(1 / math.sqrt(4000), rel=0.1)  # Var ‖x‖²/2 = 1
    assert float(values["kde_training"]) == pytest.approx(-entropy, abs=0.06)
    assert 0.1 < float(values["kde_bandwidth"]) < 0.5  # Silverman's rule: N^(−1/6) = 0.23


@pytest.fixture(scope="module")
def digits() -> Callable[..., Subject]:
    """Digits as samples of digits, in [−1, 1]."""

    def made(noise: float = 0.0, **other: Any) -> Subject:
        train, test = (
            2 * torch.from_numpy(np.asarray(Digits(split=split, size=8).load().images)).float() / 255 - 1
            for split in ("train", "test")
        )

        def fake(generator: torch.Generator, n: int) -> Tensor:
            drawn = table(train)(generator, n)
            return drawn + noise * torch.randn(drawn.shape, generator=generator)

        other = {"pixel_range": (-1.0, 1.0)} | other
        return subject(fake, table(train), table(test), (1, 8, 8), (len(train), len(test)), **other)

    return made


def test_the_unit_is_the_one_asked_for(digits: Callable[..., Subject]) -> None:
    data = Digits(split="train", size=8)
    plain = KDE(data, 900, grid=[0.05, 1, 9]).measure(digits()).values
    wide = KDE(data, 900, grid=[0.1, 2, 9], pixel_range=[-1, 1]).measure(digits()).values
    assert "kde_unit" not in plain
    torch.testing.assert_close(wide["kde_unit"], plain["kde"])
    torch.testing.assert_close(wide["kde"], plain["kde"] - 64 * math.log(2))
    torch.testing.assert_close(wide["kde_bandwidth"], 2 * plain["kde_bandwidth"])
    assert "[0, 1]" in KDE(data).about
    assert "[-1, 1]" in KDE(data, pixel_range=[-1, 1]).about


def test_noise_on_the_samples_lowers_it_and_the_training_set_stays(digits: Callable[..., Subject]) -> None:
    metric = KDE(Digits(split="train", size=8), 900, reference=900)
    clean, noisy = metric.measure(digits()).values, metric.measure(digits(0.5)).values
    assert noisy["kde"] < clean["kde"] - 5 * clean["kde_error"]
    assert noisy["kde_training"] == clean["kde_training"]
    torch.testing.assert_close(clean["kde"], clean["kde_training"], atol=1.5, rtol=0)  # other 900 of 1,437
    assert metric.measure(digits()).values["kde"] == clean["kde"]


def test_the_training_examples_that_judge_the_bandwidth_are_none_of_the_reference(
    digits: Callable[..., Subject],
) -> None:
    # Among examples that are samples too the least bandwidth wins, as it does for a generator that copies.
    sizes = {"samples": 1400, "validation": 400, "protocol": "validation"}
    values = KDE(Digits(split="train", size=8), reference=1037, **sizes).measure(digits()).values  # type: ignore[arg-type]
    assert values["kde_training"] > values["kde"] + 20


def test_what_cannot_be_measured_is_refused() -> None:
    train = Digits(split="train")
    with pytest.raises(ValueError, match="no example is left that training does not see"):
        KDE(Digits())
    for refused, message in (
        ({"samples": 2}, "samples must be at least folds=3, got 2"),
        ({"folds": 1}, "folds must be at least 2, got 1"),
        ({"test": 1}, "test must be at least 2, or null for all, got 1"),
        ({"validation": 0}, "validation must be at least 1, got 0"),
        ({"grid": [1.0, 0.1, 3]}, "grid must be"),
        ({"grid": [0.1, 1.0]}, "grid must be"),
        ({"refine": -1}, "refine must be at least 0, got -1"),
        ({"pixel_range": [1, 0]}, "pixel_range must be two numbers, low < high, got"),
        ({"reference": 2}, "reference must be 0 or at least 3, got 2"),
        ({"protocol": "test"}, "protocol must be one of cross_validation, validation, got"),
    ):
        arguments: dict[str, Any] = refused
        with pytest.raises(ValueError, match=message):
            KDE(train, **arguments)
    with pytest.raises(ValueError, match="pixel_range must be null for points, which have none"):
        KDE(Ring(), pixel_range=[0, 1])


@pytest.mark.parametrize(
    ("samples", "grid", "expected"), [(10_000, [0.16, 0.2, 3], 242.7), (60_000, [0.15, 0.17, 3], 328.4)]
)
def test_the_training_images_as_samples_give_the_papers_reference(
    samples: int, grid: list[float], expected: float, gan_data: Path
) -> None:
    """60,000 of them: 328.4 ± 1.9 nats on [0, 1], and 503.3 on a width of 0.8, f-GAN's 502 ± 5.99; 10,000:
    242.7, Theis, van den Oord and Bethge's 243. For speed the grid lies about the best bandwidth."""
    data = MNIST(root=str(gan_data), download=False, pixel_range=(0.0, 1.0))
    held_out = data.held_out()
    assert held_out is not None
    train, test = (data.prepare(torch.from_numpy(np.asarray(s.load().images))) for s in (data, held_out))

    def first(generator: torch.Generator, n: int) -> Tensor:
        return train[:n]

    asked = subject(first, table(train), table(test), (1, 28, 28), (60_000, 10_000), pixel_range=(0.0, 1.0))
    unit = [0.1, 0.9]
    grid = [0.8 * grid[0], 0.8 * grid[1], grid[2]]
    metric = KDE(data, samples, grid=grid, refine=0, validation=200, pixel_range=unit)
    values = metric.measure(asked).values
    assert float(values["kde_unit"]) == pytest.approx(expected, abs=0.5)
    assert float(values["kde"]) == pytest.approx(expected + 174.9, abs=0.6)
    assert float(values["kde_error"]) == pytest.approx(1.9, abs=0.1)
