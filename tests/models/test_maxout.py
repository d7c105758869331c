"""Maxout: the greatest of affine maps, and its spread at the start."""

from __future__ import annotations

import pytest
import torch

from gan_cli.models.maxout import Critic, Maxout


def test_a_unit_is_the_greatest_of_its_affine_maps() -> None:
    layer = Maxout(3, 4, 5, 0.1)
    torch.nn.init.normal_(layer.affine.bias)
    x = torch.randn(6, 3)
    for unit in range(4):
        rows = slice(5 * unit, 5 * unit + 5)
        maps = [x @ w + b for w, b in zip(layer.affine.weight[rows], layer.affine.bias[rows], strict=True)]
        torch.testing.assert_close(layer(x)[:, unit], torch.stack(maps).max(0).values)


def test_two_maps_of_opposite_sign_are_the_modulus() -> None:
    layer = Maxout(1, 1, 2, 0.1)
    layer.affine.weight.data = torch.tensor([[1.0], [-1.0]])
    x = torch.linspace(-2, 2, 9)[:, None]
    torch.testing.assert_close(layer(x), x.abs())


@pytest.mark.parametrize("shape", [(1, 28, 28), (3,)])
def test_the_critic_scores_each_example(shape: tuple[int, ...]) -> None:
    critic = Critic(shape)
    assert critic(torch.rand(7, *shape)).shape == (7,)
    weights = torch.cat([p.flatten() for name, p in critic.named_parameters() if name.endswith("weight")])
    assert weights.abs().max() <= 0.005
    assert weights.std().item() == pytest.approx(0.005 / 3**0.5, rel=0.05)


@pytest.mark.parametrize("refused", [{"width": 0}, {"pieces": 0}, {"depth": 0}])
def test_sizes_below_one_are_refused(refused: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        Critic((3,), **refused)
