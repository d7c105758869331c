"""The networks of Stacked MNIST: the paper's planes and channels, sizes, initialisation."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gan_cli.models import stacked

SHAPE = (3, 28, 28)


def planes(net: nn.Module, x: Tensor) -> list[tuple[int, ...]]:
    """The shapes [C, S, S] that convolutions give, in order."""
    found: list[tuple[int, ...]] = []
    for m in net.modules():
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d):
            m.register_forward_hook(lambda _, __, y: found.append(tuple(y.shape[1:])))
    net(x)
    return found


def test_the_generator_has_the_papers_planes() -> None:
    net = stacked.Generator(256, SHAPE, (-1, 1))
    assert net.base == (64, 4, 4)
    assert net.project.in_features == 256
    expected = [(32, 7, 7), (16, 14, 14), (8, 28, 28), (3, 28, 28)]
    assert planes(net, torch.randn(2, 256)) == expected
    norms = [m.num_features for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms == [64, 32, 16, 8]


@pytest.mark.parametrize("width", [2, 4])
def test_the_critics_are_a_quarter_and_half_of_it(width: int) -> None:
    net = stacked.Critic(SHAPE, width)
    expected = [(width, 14, 14), (2 * width, 7, 7), (4 * width, 4, 4)]
    assert planes(net, torch.randn(2, *SHAPE)) == expected
    assert [m.num_features for m in net.modules() if isinstance(m, nn.BatchNorm2d)] == [
        c[0] for c in expected
    ]
    assert {m.negative_slope for m in net.modules() if isinstance(m, nn.LeakyReLU)} == {0.3}
    assert {m.kernel_size for m in net.modules() if isinstance(m, nn.Conv2d)} == {(3, 3)}


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 27, 27), (1, 32, 32), (3, 50, 50)])
@pytest.mark.parametrize("pixel_range", [(-1.0, 1.0), (0.1, 0.9)])
def test_shapes_and_ranges(shape: tuple[int, ...], pixel_range: Any) -> None:
    x = stacked.Generator(5, shape, pixel_range, width=4)(10 * torch.randn(6, 5))
    assert x.shape == (6, *shape)
    assert pixel_range[0] <= x.min() <= x.max() <= pixel_range[1]
    assert stacked.Critic(shape)(x).shape == (6,)


def test_weights_begin_small_and_no_bias_stands_before_batch_norm() -> None:
    for net in (stacked.Generator(256, SHAPE, (-1, 1)), stacked.Critic(SHAPE, 8)):
        flat = [m for m in net.modules() if not list(m.children())]
        for layer, after in itertools.pairwise(flat):
            if isinstance(after, nn.BatchNorm2d) and isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                assert layer.bias is None
        for m in flat:
            if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d) and m.weight.numel() > 1000:
                assert m.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert stacked.Generator(9, SHAPE, (-1, 1)).project.bias is None


@pytest.mark.parametrize("shape", [(2,), (1, 28, 32), (3, 7, 7)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    for make in (lambda: stacked.Generator(4, shape, None), lambda: stacked.Critic(shape)):
        with pytest.raises(ValueError, match="shape must be a square image"):
            make()


def test_other_widths_are_refused() -> None:
    with pytest.raises(ValueError, match="width must be even and at least 2, got 3"):
        stacked.Generator(4, SHAPE, (-1, 1), width=3)
    with pytest.raises(ValueError, match="width must be at least 1, got 0"):
        stacked.Critic(SHAPE, width=0)
