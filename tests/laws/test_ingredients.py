"""Views and terms: the formula of each, and that each sits where it should."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gan_cli.calculus import Calculus, eager, functional
from gan_cli.streams import Streams
from gan_cli.terms.r1 import R1
from gan_cli.views.base import compose
from gan_cli.views.instance_noise import InstanceNoise
from tests.games import CPU, Cloud, scene_of, small_game


def at(step: int) -> Tensor:
    return torch.tensor(step)


def test_the_empty_view_is_the_identity() -> None:
    x = torch.randn(4, 2)
    unit = compose()
    assert unit.apply(x, unit.draw(torch.Generator(), x.shape, x.dtype), at(0)) is x


@pytest.mark.parametrize(
    ("schedule", "half"),
    [("linear", 0.5), ("cosine", 0.2 + 0.6 * (1 + math.cos(math.pi / 2)) / 2), ("constant", 0.8)],
)
def test_the_schedule_of_sigma(schedule: str, half: float) -> None:
    view = InstanceNoise(start=0.8, end=0.2, steps=100, schedule=schedule)  # type: ignore[arg-type]
    values = [view.sigma(at(s)).item() for s in (0, 50, 100, 1000)]
    end = 0.8 if schedule == "constant" else 0.2
    assert values == pytest.approx([0.8, half, end, end], abs=1e-6)


def test_instance_noise_adds_a_gaussian_of_that_width() -> None:
    view = InstanceNoise(start=0.5, schedule="constant")
    x = torch.zeros(200_000, 1)
    y = view.apply(x, view.draw(torch.Generator().manual_seed(0), x.shape, x.dtype), at(3))
    assert y.mean().item() == pytest.approx(0, abs=5e-3)
    assert y.std().item() == pytest.approx(0.5, rel=1e-2)


def test_instance_noise_is_absent_from_samples_and_scores() -> None:
    plain, noisy = small_game(), small_game(views=[InstanceNoise(start=5.0)])
    state, z, x = plain.init(0), torch.randn(4, 3), torch.randn(4, 2)
    assert torch.equal(plain.sample(state, z), noisy.sample(state, z))
    assert torch.equal(plain.score(state, x), noisy.score(state, x))


def test_the_generators_gradient_sees_the_noise() -> None:
    plain, noisy = small_game(), small_game(views=[InstanceNoise(start=1.0)])
    state, streams, feed = plain.init(0), Streams(0, CPU), Cloud()
    calm, stirred = (
        game.play(state, game.draw(0, feed, streams))[0].generator.params for game in (plain, noisy)
    )
    assert any(not torch.equal(calm[k], stirred[k]) for k in calm)


@pytest.mark.parametrize("calculus", [eager, functional])
def test_r1_of_a_known_critic(calculus: Calculus) -> None:
    """V(x) = w·x + c|x|²/2 has ∇V = w + cx."""
    w, c = torch.tensor([1.0, -2.0], dtype=torch.float64), 0.7
    real = torch.randn(16, 2, dtype=torch.float64)
    scene = scene_of(lambda x: x @ w + c * x.square().sum(1) / 2, real, real, calculus=calculus)
    expected = 0.5 * 3.0 * (w + c * real).square().sum(1).mean()
    torch.testing.assert_close(R1(3.0).value(scene, (), ()), expected)


def test_r1_with_weight_zero_is_the_unit() -> None:
    game = small_game()
    penalised = replace(game, critic=replace(game.critic, terms=(R1(0.0),)))
    streams, feed = Streams(0, CPU), Cloud()
    plain, _ = game.play(game.init(0), game.draw(0, feed, streams))
    other, traces = penalised.play(penalised.init(0), penalised.draw(0, feed, streams))
    for k, p in plain.critic.params.items():
        torch.testing.assert_close(other.critic.params[k], p, rtol=1e-12, atol=1e-14)
    assert set(traces["critic"].parts) == {"main", "r1"}


@pytest.mark.parametrize(
    "make", [lambda: InstanceNoise(start=-1), lambda: InstanceNoise(steps=0), lambda: R1(-1.0)]
)
def test_values_out_of_range_are_refused(make: object) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        make()  # type: ignore[operator]
