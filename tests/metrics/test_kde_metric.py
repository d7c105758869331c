"""`metric=kde`: its unit, its protocols, what it refuses, and the rows that the papers report."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gan_cli.data.digits import Digits
from gan_cli.data.mnist import MNIST
from gan_cli.data.synthetic import Ring
from gan_cli.errors import InputError
from gan_cli.evaluation.kde import KDE
from gan_cli.metrics.base import Draw, Subject
from gan_cli.streams import Streams


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


def test_points_of_any_scale_are_measured_with_the_grid_as_it_is() -> None:
    def wide(generator: torch.Generator, n: int) -> Tensor:
        return 100 * normal(generator, n)

    one, hundred = (
        KDE(Ring(), samples=3000, test=2000).measure(subject(law, law, law, (2,), (None, None))).values
        for law in (normal, wide)
    )
    assert float(hundred["kde_bandwidth"]) == pytest.approx(100 * float(one["kde_bandwidth"]), rel=0.15)
    assert float(hundred["kde"]) == pytest.approx(float(one["kde"]) - 2 * math.log(100), abs=0.02)


def test_a_reference_that_the_judges_leave_nothing_for_is_refused(digits: Callable[..., Subject]) -> None:
    train = Digits(split="train", size=8)
    metric = KDE(train, 900, protocol="validation", validation=2000, reference=500)
    refusal = "metric.kde.reference=500: it needs 1 or more training examples beside the 2000 .* 1437 in all"
    with pytest.raises(InputError, match=refusal):
        metric.preflight()
    with pytest.raises(InputError, match=refusal):
        metric.measure(digits())
    few = subject(normal, table(torch.zeros(2, 2)), normal, (2,), (2, None))
    with pytest.raises(InputError, match="it needs 3 or more training examples, and there are 2 in all"):
        KDE(Ring(), samples=30, reference=3).measure(few)
    KDE(train, 900, protocol="validation", validation=1436, reference=500).preflight()
    KDE(Ring(), samples=30, reference=3).preflight()


def test_it_does_not_promise_more_examples_than_there_are() -> None:
    words = "; of the data as many as there are, if fewer"
    train = Digits(split="train")
    for asked in ({"reference": 60_000}, {"test": 5000}, {"protocol": "validation"}):
        arguments: dict[str, Any] = asked
        assert KDE(train, **arguments).about.endswith(words)
    assert words not in KDE(train).about
    assert "all unseen examples" in KDE(train).about


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
