"""Strided convolutions in the other forms that a CPU is faster with."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_cli.innermost import _Down, _Up, channels_innermost

Map = Callable[[Tensor, Tensor], Tensor]
CASES = [(4, 2, 1, 8), (5, 2, 2, 9), (3, 2, 0, 8), (4, 3, 1, 11)]
"""(kernel, stride, padding, side): also such that the kernel does not reach the last pixels."""


def pairs(kernel: int, stride: int, padding: int, side: int) -> list[tuple[Map, Map, Tensor, Tensor]]:
    """Ours and torch's, an image and weights, for both directions."""
    torch.manual_seed(0)
    weight = torch.randn(5, 3, kernel, kernel, dtype=torch.float64, requires_grad=True)
    wide = torch.randn(2, 3, side, side, dtype=torch.float64, requires_grad=True)
    small = torch.randn(2, 5, side // 2, side // 2, dtype=torch.float64, requires_grad=True)
    extra = (1, 1) if stride > 1 else (0, 0)
    return [
        (
            lambda x, w: _Down.apply(x, w, stride, padding),
            lambda x, w: F.conv2d(x, w, None, stride, padding),
            wide,
            weight,
        ),
        (
            lambda x, w: _Up.apply(x, w, stride, padding, extra),
            lambda x, w: F.conv_transpose2d(x, w, None, stride, padding, extra),
            small,
            weight,
        ),
    ]


@pytest.mark.parametrize("case", CASES)
def test_values_and_derivatives_are_those_of_torch(case: tuple[int, int, int, int]) -> None:
    for ours, usual, x, weight in pairs(*case):
        found = []
        for function in (ours, usual):
            y = function(x, weight)
            first = torch.autograd.grad(y.square().sum(), (x, weight), create_graph=True)
            squares = torch.stack([g.square().sum() for g in first]).sum()
            found.append([y, *first, *torch.autograd.grad(squares, (x, weight))])
        for a, b in zip(*found, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("case", CASES[:2])
def test_a_derivative_by_each_examples_weights(case: tuple[int, int, int, int]) -> None:
    for ours, usual, x, weight in pairs(*case):
        weights = torch.stack([weight.detach(), 2 * weight.detach()])
        images = torch.stack([x.detach(), 1 + x.detach()])

        for a, b in zip(slopes(ours, weights, images), slopes(usual, weights, images), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


def slopes(function: Map, weights: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """The derivatives for each pair by vmap."""

    def total(weight: Tensor, image: Tensor) -> Tensor:
        return function(image, weight).square().sum()

    found: tuple[Tensor, Tensor] = torch.vmap(torch.func.grad(total, (0, 1)))(weights, images)
    return found


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("channels", [1, 3, 6])
@pytest.mark.parametrize("side", [8, 9])
def test_layers_keep_their_numbers(channels: int, bias: bool, side: int) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(channels, 6, 4, 2, 1, bias=bias),
        nn.Tanh(),
        nn.Conv2d(6, 6, 5, 2, 2, bias=bias),
        nn.Tanh(),
        nn.ConvTranspose2d(6, 6, 5, 2, 2, output_padding=1, bias=bias),
        nn.Tanh(),
        nn.ConvTranspose2d(6, channels, 4, 2, 1, bias=bias),
    )
    x = torch.randn(3, channels, side, side)

    def seen() -> list[Tensor]:
        y = net(x)
        return [y, *torch.autograd.grad(y.square().sum(), list(net.parameters()))]

    before = seen()
    channels_innermost(net)
    for a, b in zip(before, seen(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        halved = seen()
    for a, b in zip(before, halved, strict=True):
        assert torch.linalg.vector_norm(a - b) < 0.03 * torch.linalg.vector_norm(a)


def test_other_devices_read_the_weights_as_they_were_laid_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """In float16 a CPU takes the branch that a GPU takes."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(6, 8, 4, 2, 1), nn.Tanh(), nn.ConvTranspose2d(8, 6, 5, 2, 2))
    x, read = torch.randn(3, 6, 8, 8), []
    before = net(x)
    channels_innermost(net)
    for name in ("conv2d", "conv_transpose2d"):
        usual = getattr(F, name)

        def spied(x: Tensor, weight: Tensor, *rest: object, usual: Callable[..., Tensor] = usual) -> Tensor:
            read.append(weight)
            return usual(x, weight, *rest)

        monkeypatch.setattr(F, name, spied)
    with torch.autocast("cpu", torch.float16):
        halved = net(x)
    assert [(w.dtype, w.stride(1)) for w in read] == [(torch.float16, 1)] * 2
    torch.testing.assert_close(before, halved.float(), rtol=1e-2, atol=1e-2)
