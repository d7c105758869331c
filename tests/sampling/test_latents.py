"""Latents: numbered by a seed, truncated as the law says, and in between."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, cast

import pytest
import torch
from scipy import stats
from torch import Tensor

from gan_cli.prior import Prior
from gan_cli.sampling.draws import Maker, Part, first, joined
from gan_cli.sampling.latents import AT_ONCE, Latents, truncated
from gan_cli.walks import circle, lerp, slerp, walk


@dataclass(frozen=True)
class Toy:
    """As much of a learner as latents need; its examples are the latents doubled."""

    kind: Literal["normal", "uniform"] = "normal"
    size: int = 5
    condition: int = 0

    @property
    def latent_kind(self) -> Literal["normal", "uniform"]:
        return self.kind

    def latents(self, generator: torch.Generator, n: int) -> Tensor:
        return Prior(self.size, self.kind).draw(generator, n)

    def sample(self, state: object, latent: Tensor) -> Tensor:
        return 2 * latent


@dataclass(frozen=True)
class Still:
    step: Tensor


def latents(seed: int = 0, truncation: float | None = None, kind: Any = "normal", size: int = 5) -> Latents:
    return Latents(cast(Any, Toy(kind, size)), seed, truncation)


def make(seed: int, n: int, **more: Any) -> Part:
    chosen = latents(seed, **more)
    return joined(first(Maker(chosen.learner, cast(Any, Still(torch.zeros(())))).parts(chosen), n))


def test_the_first_of_many_are_the_few() -> None:
    few, many = make(3, 10), make(3, 3 * AT_ONCE + 1)
    assert torch.equal(few.examples, many.examples[:10])
    assert torch.equal(many.examples, 2 * many.latents)
    assert len(many.latents) == 3 * AT_ONCE + 1
    assert torch.equal(make(3, 10, truncation=0.5).latents, make(3, 200, truncation=0.5).latents[:10])
    assert not torch.equal(few.latents, make(4, 10).latents)
    assert len(many.latents.unique(dim=0)) == len(many.latents)


@pytest.mark.parametrize("threshold", [0.01, 0.7, 2.5])
def test_a_truncated_normal_follows_its_law(threshold: float) -> None:
    z = make(0, 640, truncation=threshold, size=20).latents.double().flatten().numpy()
    law = stats.truncnorm(-threshold, threshold)
    assert abs(z).max() <= threshold
    assert stats.kstest(z, law.cdf).pvalue > 1e-3
    assert stats.kstest(z[::2], stats.norm.cdf).pvalue < 1e-3 or threshold > 2


def test_truncation_changes_no_coordinate_within() -> None:
    whole, cut = make(1, 200).latents, make(1, 200, truncation=1.0).latents
    within = whole.abs() <= 1
    assert torch.equal(whole[within], cut[within])
    assert not torch.equal(whole[~within], cut[~within])
    assert torch.equal(make(1, 200, truncation=50.0).latents, whole)


def test_a_uniform_prior_shrinks() -> None:
    whole, cut = make(2, 400, kind="uniform").latents, make(2, 400, kind="uniform", truncation=0.3).latents
    torch.testing.assert_close(cut, 0.3 * whole)
    law = stats.uniform(-0.3, 0.6)
    assert stats.kstest(cut.double().flatten().numpy(), law.cdf).pvalue > 1e-3


@pytest.mark.parametrize(("threshold", "kind"), [(0.0, "normal"), (-1.0, "uniform"), (math.nan, "normal")])
def test_truncation_must_be_positive(threshold: float, kind: str) -> None:
    with pytest.raises(ValueError, match="truncation must be above 0"):
        latents(0, threshold, kind)


def test_a_uniform_prior_has_limits() -> None:
    assert latents(0, 1.0, "uniform").part(0).shape == (AT_ONCE, 5)
    with pytest.raises(ValueError, match="truncation must be at most 1 for a uniform prior"):
        latents(0, 1.5, "uniform")


def test_truncated_keeps_the_type() -> None:
    z = torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert truncated(z, 0.2, "normal", torch.Generator().manual_seed(0)).dtype == torch.float64


def pair(kind: str = "normal", rows: int = 4) -> tuple[Tensor, Tensor]:
    z = make(5, 2 * rows, kind=kind, size=7).latents
    return z[::2], z[1::2]


def test_lines_and_arcs() -> None:
    a, b = pair()
    line, arc = walk(a, b, 5, "lerp", "normal"), walk(a, b, 5, "slerp", "normal")
    torch.testing.assert_close(line[:, 2], (a + b) / 2)
    for way in (line, arc):
        torch.testing.assert_close(way[:, 0], a)
        torch.testing.assert_close(way[:, -1], b)
    unit = [torch.nn.functional.normalize(x, dim=-1) for x in (a, b)]
    middle = torch.nn.functional.normalize(unit[0] + unit[1], dim=-1)
    arc = walk(unit[0], unit[1], 5, "slerp", "normal")
    torch.testing.assert_close(arc[:, 2], middle)  # halfway between two of length one
    torch.testing.assert_close(arc.norm(dim=-1), torch.ones(4, 5))
    assert torch.equal(walk(a, b, 5, "auto", "normal"), walk(a, b, 5, "slerp", "normal"))
    assert torch.equal(walk(a, b, 5, "auto", "uniform"), line)
    with pytest.raises(ValueError, match="columns must be at least 1"):
        walk(a, b, 0, "auto", "normal")


def test_a_great_circle_keeps_the_length_and_a_line_the_cube() -> None:
    a, b = torch.randn(2, 6, 100).double()
    unit_a, unit_b = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)
    arc = slerp(unit_a, unit_b, 9)
    assert arc.shape == (6, 9, 100)
    torch.testing.assert_close(arc.norm(dim=-1), torch.ones(6, 9).double())
    torch.testing.assert_close((arc[:, 0], arc[:, -1]), (unit_a, unit_b))
    cosines = (arc[:, 1:] * arc[:, :-1]).sum(-1)
    torch.testing.assert_close(cosines, cosines[:, :1].expand(-1, 8), msg="even steps along the circle")
    line = lerp(a, b, 3)
    torch.testing.assert_close(line[:, 1], (a + b) / 2)


@pytest.mark.parametrize("end", [[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0]])
def test_ends_without_a_great_circle_between_are_joined_straight(end: list[float]) -> None:
    path = slerp(torch.tensor([[1.0, 0.0]]), torch.tensor([end]), 5)
    torch.testing.assert_close(path[0, :, 0], torch.linspace(1, end[0], 5))


def test_a_circle_closes_and_passes_through_both() -> None:
    a, b = pair()
    way = circle(a, b, 8, "normal")
    torch.testing.assert_close(way[:, 0], a)
    torch.testing.assert_close(way[:, 2], b)
    torch.testing.assert_close(way[:, 4], -a)
    gaps = (way - way.roll(1, 1)).double().square().sum(-1)
    torch.testing.assert_close(gaps[:, 0] + gaps[:, 2], gaps[:, 1] + gaps[:, 3])  # an ellipse's chords
    cube = circle(*pair("uniform"), 8, "uniform")
    torch.testing.assert_close(cube[:, 2], pair("uniform")[1])
    torch.testing.assert_close(cube[:, 4], -pair("uniform")[0])


@pytest.mark.parametrize(("kind", "law"), [("normal", stats.norm()), ("uniform", stats.uniform(-1, 2))])
def test_every_point_of_a_circle_follows_the_prior(kind: Any, law: Any) -> None:
    way = circle(*pair(kind, 400), 6, kind)
    for step in range(6):
        values = way[:, step].double().flatten().numpy()
        assert abs(values).max() <= 1 or kind == "normal"
        assert stats.kstest(values, law.cdf).pvalue > 1e-3
    straight = walk(*pair(kind, 400), 3, "lerp", kind)[:, 1].double().flatten().numpy()
    assert stats.kstest(straight, law.cdf).pvalue < 1e-3
