"""The metrics of two samples as a run takes them: what they draw, say, refuse and do with odd generators."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gan_cli.data.digits import Digits
from gan_cli.data.synthetic import Mixture, Mixture1D, Ring
from gan_cli.errors import InputError
from gan_cli.evaluation import two_sample
from gan_cli.evaluation.c2st import C2ST
from gan_cli.evaluation.features import Pixels
from gan_cli.evaluation.frechet import Frechet
from gan_cli.evaluation.kid import KID
from gan_cli.evaluation.mmd import MMD
from gan_cli.evaluation.prdc import PRDC
from gan_cli.evaluation.swd import SWD
from gan_cli.evaluation.two_sample import Compared, TwoSample, vectors
from gan_cli.metrics import mmd
from gan_cli.metrics.base import Measured
from gan_cli.metrics.frechet import frechet_distance
from tests.metrics.subjects import randn, subject

KINDS: tuple[Callable[..., Compared], ...] = (MMD, KID, Frechet, PRDC, C2ST, SWD)
every = pytest.mark.parametrize("kind", KINDS)
TABLE = randn(300, 2)
UNSEEN = randn(200, 2, seed=1)


def values(found: Measured) -> dict[str, float]:
    return {name: value.item() for name, value in found.values.items()}


def plane(z: Tensor) -> Tensor:
    """N(0, I) on the plane."""
    return z[:, :2]


def shifted(z: Tensor) -> Tensor:
    return z[:, :2] + 2


@every
def test_a_bad_generator_is_told_from_a_good_one(kind: Callable[..., Compared]) -> None:
    metric = kind(Mixture(), samples=300)
    good, bad = (values(metric.measure(subject(TABLE, g))) for g in (plane, shifted))
    assert tuple(good) == metric.names
    for name, way in metric.better.items():
        assert good[name] < bad[name] if way == "lower" else good[name] > bad[name], name
    assert set(metric.better) <= set(metric.names)


@every
def test_the_real_examples_stay_the_same_and_the_latents_do_not(kind: Callable[..., Compared]) -> None:
    metric = kind(Mixture(), samples=40)
    parts = [[torch.cat(list(p)) for p in metric.parts(subject(TABLE, plane, step=s))] for s in (0, 0, 7)]
    assert torch.equal(parts[0][0], parts[2][0])
    assert torch.equal(parts[0][1], parts[1][1])
    assert not torch.equal(parts[0][1], parts[2][1])
    elsewhere = torch.cat(list(metric.parts(subject(TABLE, plane, seed=1))[0]))
    assert not torch.equal(parts[0][0], elsewhere)


@every
def test_real_examples_come_in_random_order_and_once_each(kind: Callable[..., Compared]) -> None:
    table = torch.arange(600.0)[:, None]
    real = torch.cat(list(kind(Mixture1D(), samples=600).parts(subject(table, lambda z: z[:, :1]))[0]))
    assert torch.equal(real.sort(0).values, table)
    assert abs(torch.corrcoef(torch.cat([real, table], 1).T)[0, 1]) < 0.2


@every
def test_against_unseen_examples(kind: Callable[..., Compared]) -> None:
    ring = Mixture()
    metric = kind(ring, samples=200, against="unseen")
    metric.preflight()
    assert "200 samples against as many unseen examples" in metric.about
    real = torch.cat(list(metric.parts(subject(TABLE, plane, UNSEEN))[0]))
    assert torch.equal(real.sort(0).values, UNSEEN.sort(0).values)
    refusal = f"metric.{metric.key}.against=unseen: training sees all examples of this data"
    with pytest.raises(InputError, match=refusal):
        metric.measure(subject(TABLE, plane))
    with pytest.raises(InputError, match=refusal):
        kind(Digits(), against="unseen").preflight()
    kind(Digits(split="train"), against="unseen").preflight()


@every
def test_fewer_examples_than_asked_for(kind: Callable[..., Compared]) -> None:
    metric = kind(Mixture(), samples=5000)
    found = values(metric.measure(subject(TABLE[:20], plane)))
    assert all(map(math.isfinite, found.values())), found
    assert "as there are, if fewer" in metric.about
    refusal = f"metric.{metric.key}: it needs {metric.least} training examples at the least, and there are 1"
    with pytest.raises(InputError, match=refusal):
        metric.measure(subject(TABLE[:1], plane))


def test_neighbours_of_few_examples() -> None:
    with pytest.raises(InputError, match=r"metric.prdc.k=5: it must be below the number of examples, 5$"):
        PRDC(Mixture()).measure(subject(TABLE[:5], plane))


@every
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_samples_that_are_not_finite(kind: Callable[..., Compared], value: float) -> None:
    def broken(z: Tensor) -> Tensor:
        return torch.where(z[:, :2] > 1.5, value, z[:, :2])

    found = kind(Mixture(), samples=200).measure(subject(TABLE, broken)).values
    assert all(number.isnan() for number in found.values())


@every
@pytest.mark.parametrize("table", [TABLE, torch.ones(50, 2), torch.ones(50, 1), randn(60, 3, 8, 8)])
def test_a_collapsed_generator_has_finite_values(kind: Callable[..., Compared], table: Tensor) -> None:
    dataset = Digits(size=8, channels=3) if table.ndim == 4 else Mixture()
    for point in (torch.zeros_like(table[0]), table[0]):

        def same(z: Tensor, point: Tensor = point) -> Tensor:
            return point.expand(len(z), *point.shape)

        case = subject(table, same, pixel_range=dataset.pixel_range)
        found = values(kind(dataset, samples=40).measure(case))
        assert all(map(math.isfinite, found.values())), found


@every
def test_samples_of_enormous_size(kind: Callable[..., Compared]) -> None:
    found = kind(Mixture(), samples=60).measure(subject(TABLE, lambda z: 1e18 * z[:, :2])).values
    assert all(not value.isnan() for value in found.values())


def test_features_cannot_hide_that_a_sample_is_not_finite() -> None:
    """Such as those of a network that rounds its input to levels first."""

    class Levels(Pixels):
        def __call__(self, x: Tensor) -> Tensor:
            return x.nan_to_num(posinf=1.0, neginf=0.0).round().flatten(1)

    x = torch.tensor([[0.2], [torch.nan], [torch.inf], [0.9]])
    found = torch.cat(list(vectors(Levels(Mixture1D()), x)))
    assert found.flatten().isfinite().tolist() == [True, False, False, True]
    assert found[[0, 3]].flatten().tolist() == [0, 1]


def test_images_are_compared_on_the_unit_interval() -> None:
    """The same images in another pixel range are at the same distances."""
    table = torch.rand(80, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    found = []
    for low, high in ((0.0, 1.0), (-1.0, 1.0)):
        dataset = Digits(size=8, pixel_range=(low, high))

        def made(z: Tensor, low: float = low, high: float = high) -> Tensor:
            return (low + (high - low) * z.sigmoid()).repeat(1, 8).reshape(-1, 1, 8, 8)

        case = subject(low + (high - low) * table, made, pixel_range=(low, high))
        found.append(values(SWD(dataset, samples=80, projections=10).measure(case)))
    assert found[0] == pytest.approx(found[1], rel=1e-5)


@pytest.mark.parametrize("size", [7, 500, 1200])
def test_the_frechet_distance_of_parts_is_that_of_the_whole(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(two_sample, "_AT_ONCE", size)
    metric, case = Frechet(Mixture(), samples=1200), subject(randn(1200, 3), lambda z: 2 * z[:, :3] + 1)
    real, fake = (list(parts) for parts in metric.parts(case))
    sizes = [min(size, 1200 - start) for start in range(0, 1200, size)]
    assert [len(part) for part in real] == [len(part) for part in fake] == sizes
    moments = [(x.mean(0), x.T.cov()) for x in (torch.cat(real).double(), torch.cat(fake).double())]
    expected = frechet_distance(*moments[0], *moments[1])
    assert metric.measure(case).values["frechet"].item() == pytest.approx(expected.item(), rel=1e-9)


def test_endless_data_are_drawn_as_asked() -> None:
    law = Ring().load()
    found = PRDC(Ring(), samples=400).measure(subject(law.sample, plane)).values
    assert found["prdc_precision"] < 0.1
    real, fake = (
        torch.cat(list(parts)) for parts in PRDC(Ring(), samples=700).parts(subject(law.sample, plane))
    )
    assert real.shape == fake.shape == (700, 2)
    assert len(real.unique(dim=0)) == 700


@pytest.mark.parametrize(
    ("kind", "bad", "refusal"),
    [
        (MMD, {"samples": 1}, "samples must be at least 2, got 1"),
        (MMD, {"bandwidth": 0.0}, "bandwidth must be above 0, got 0.0"),
        (MMD, {"scales": ()}, "scales must be at least one number"),
        (MMD, {"scales": (1.0, -1.0)}, "scales must be above 0, got -1.0"),
        (KID, {"block": 1}, "block must be at least 2, got 1"),
        (KID, {"samples": 3}, "samples must be at least 4, got 3"),
        (PRDC, {"k": 0}, "k must be at least 1, got 0"),
        (PRDC, {"k": 9, "samples": 9}, "samples must be above k=9, got 9"),
        (C2ST, {"classifier": "tree"}, "classifier must be one of logistic, mlp, neighbour, got 'tree'"),
        (SWD, {"p": 3}, "p must be one of 1, 2, got 3"),
        (SWD, {"projections": 0}, "projections must be at least 1, got 0"),
        (Frechet, {"features": "classifier"}, "features must be pixels for points, got 'classifier'"),
        (Frechet, {"features": "vgg"}, "features must be one of"),
        (Frechet, {"against": "test"}, "against must be one of training, unseen, got 'test'"),
    ],
)
def test_what_cannot_be(kind: Callable[..., TwoSample], bad: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ValueError, match=refusal):
        kind(Mixture(), **bad)


def test_the_options_of_mmd_and_their_words() -> None:
    case = subject(TABLE, shifted)
    fixed = MMD(Mixture(), samples=100, bandwidth=0.5, scales=(1.0, 2.0))
    assert "bandwidth 0.5, times 1.0, 2.0" in fixed.about
    assert fixed.measure(case).values["mmd_bandwidth"] == 0.5
    by_median = MMD(Mixture(), samples=300).measure(case).values["mmd_bandwidth"]
    assert by_median.item() == pytest.approx(torch.pdist(TABLE).median().item(), rel=1e-4)


@pytest.mark.parametrize(("samples", "block", "size"), [(5000, 500, 500), (2000, 500, 200), (600, 100, 60)])
def test_kid_says_how_large_its_blocks_are(
    samples: int, block: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The given number, or a tenth of the examples if that is less."""
    seen: list[int] = []

    def watched(x: Tensor, y: Tensor, kernel: mmd.Kernel) -> mmd.Estimate:
        seen.extend((len(x), len(y)))
        return mmd.Estimate(x.new_zeros(()), x.new_zeros(()))

    monkeypatch.setattr(mmd, "mmd2", watched)
    metric = KID(Ring(), samples=samples, block=block)
    metric.measure(subject(Ring().load().sample, plane))
    assert seen == [size] * (2 * samples // size)
    assert f"blocks of about {block}, or a tenth of the examples if that is less" in metric.about
