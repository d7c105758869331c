"""`metric=inversion`: which examples it takes, their least squares errors, its unit and its pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from gan_cli.data.fake import Fake
from gan_cli.data.image_folder import ImageFolder
from gan_cli.errors import InputError
from gan_cli.evaluation.inversion import Inversion
from gan_cli.metrics.base import Subject
from gan_cli.streams import Streams


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def subject(seed: int, generate: Callable[[Tensor], Tensor]) -> Subject:
    streams = Streams(seed, torch.device("cpu"))
    seeds = {"real": 1, "unseen": 2}
    table = {kind: normal(40, 1, 2, 4, seed=number).clamp(-1, 1) for kind, number in seeds.items()}

    def drawn(kind: str) -> Callable[[torch.Generator, int], Tensor]:
        return lambda g, n: table[kind][torch.randperm(40, generator=g)[:n].sort().values]

    def latents(g: torch.Generator, n: int) -> Tensor:
        return torch.randn(n, 4, generator=g)

    return Subject(
        step=7,
        shape=(1, 2, 4),
        pixel_range=(-1.0, 1.0),
        real=drawn("real"),
        fake=lambda g, n: generate(latents(g, n)).detach(),
        unseen=drawn("unseen"),
        examples=40,
        unseen_examples=40,
        latents=latents,
        generate=generate,
        streams=streams,
    )


def inversion(**arguments: Any) -> Inversion:
    return Inversion(Fake(), **arguments)


def linear(z: Tensor) -> Tensor:
    return torch.unflatten(z @ normal(4, 8, seed=3), 1, (1, 2, 4))


def test_the_metric_has_the_same_images_for_every_seed_and_gives_the_least_squares_error() -> None:
    metric = inversion(images=12, restarts=2, evaluations=60)
    first, second = (metric.measure(subject(seed, linear)) for seed in (0, 1))
    assert tuple(first.values) == metric.names
    per_image = first.per_example["inversion_mse"]
    torch.testing.assert_close(per_image, second.per_example["inversion_mse"], rtol=1e-3, atol=1e-5)
    x = subject(0, linear).real(Streams(0, torch.device("cpu")).at("inversion/images", 0), 12).flatten(1)
    weight = normal(4, 8, seed=3)
    exact = torch.linalg.lstsq(weight.T, x.T).solution.T @ weight
    torch.testing.assert_close(per_image, (exact - x).square().mean(1), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(first.values["inversion_mse"], per_image.mean())
    torch.testing.assert_close(first.values["inversion_mse_error"], per_image.std() / 12**0.5)


def test_the_metrics_unit_and_its_pictures() -> None:
    of = subject(0, linear)
    one = inversion(images=10, evaluations=30).measure(of)
    other = inversion(images=10, evaluations=30, pixel_range=(0.0, 1.0)).measure(of)
    for name in one.values:
        torch.testing.assert_close(other.values[name], one.values[name] / 4)
    sheet = one.sheets["reconstructions"]
    assert sheet.images.shape == (20, 1, 2, 4)
    rows = sheet.images.split(sheet.columns)
    shown = [torch.cat(rows[0::2]), torch.cat(rows[1::2])]
    torch.testing.assert_close(
        (shown[0] - shown[1]).square().flatten(1).mean(1), one.per_example["inversion_mse"]
    )


def test_the_picture_shows_examples_from_all_over_the_set() -> None:
    sheet = (
        inversion(images=40, restarts=1, evaluations=2).measure(subject(0, linear)).sheets["reconstructions"]
    )
    assert sheet.columns == 16
    assert len(sheet.images) == 64
    x = subject(0, linear).real(Streams(0, torch.device("cpu")).at("inversion/images", 0), 40)
    assert torch.equal(sheet.images[0], x[0])
    assert torch.equal(sheet.images[47], x[39])


def test_the_metric_of_unseen_images_and_what_it_refuses() -> None:
    seen, unseen = inversion(images=8, evaluations=30), inversion(images=8, evaluations=30, examples="unseen")
    of = subject(0, linear)
    assert seen.measure(of).values != unseen.measure(of).values
    assert "unseen" in unseen.about
    assert "8 training" in seen.about
    refused: list[tuple[dict[str, Any], str]] = [
        ({"images": 1}, "images must be at least 2"),
        ({"examples": "test"}, "examples must be one of training, unseen"),
        ({"pixel_range": (1.0, 0.0)}, "pixel_range must be two numbers, low < high"),
    ]
    for arguments, message in refused:
        with pytest.raises(ValueError, match=message):
            inversion(**arguments)


def test_without_unseen_examples_it_says_so_before_training() -> None:
    Inversion(ImageFolder()).preflight()
    with pytest.raises(InputError, match="metric.inversion.examples=unseen: .* take training"):
        Inversion(ImageFolder(), examples="unseen").preflight()


@pytest.mark.parametrize("pixel_range", [(-1.0, 1.0), None])
def test_an_example_is_known_again_by_its_digest(pixel_range: tuple[float, float] | None) -> None:
    def digests(of: Subject, **arguments: Any) -> list[float]:
        given = {"images": 40, "restarts": 1, "evaluations": 1} | arguments
        found: list[float] = inversion(**given).measure(of).per_example["inversion_mse_digest"].tolist()
        return found

    one = replace(subject(0, linear), pixel_range=pixel_range)
    known = digests(one)
    assert len(set(known)) == 40
    assert all(0 <= digest < 2**48 and digest == int(digest) for digest in known)
    assert digests(replace(one, streams=Streams(5, torch.device("cpu")), step=9)) == known
    assert set(digests(one, images=12, seed=1)) < set(known)
    assert not set(digests(one, examples="unseen")) & set(known)


def test_another_devices_rounding_makes_no_other_image() -> None:
    levels = torch.arange(256).reshape(32, 1, 2, 4)
    exact, rounded = (subject(0, linear) for _ in range(2))
    images = levels / 127.5 - 1
    exact = replace(exact, real=lambda _, n: images[:n])
    rounded = replace(rounded, real=lambda _, n: images[:n] * (1 + 2e-7) - 1e-7)
    found = [
        inversion(images=32, restarts=1, evaluations=1).measure(of).per_example["inversion_mse_digest"]
        for of in (exact, rounded)
    ]
    assert torch.equal(*found)
