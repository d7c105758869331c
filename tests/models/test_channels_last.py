"""Channels innermost: the same numbers, every gradient in the layout of what it belongs to."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from gan_cli.data.feed import Feed
from gan_cli.innermost import channels_innermost
from gan_cli.streams import Streams
from tests.test_combinations import built

CPU = torch.device("cpu")
LINE = ["data=fake", "data.size=16", "data.count=40", "batch_size=4", "device=cpu", "runtime.precision=fp64"]


def trained(*overrides: str) -> Any:
    made = built(*LINE, *overrides)
    state, streams = made.learner.init(0), Streams(0, CPU)
    with Feed(made.dataset, 4, streams, CPU) as feed:
        for step in range(2):
            state, _ = made.learner.play(state, made.learner.draw(step, feed, streams))
    return state


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("model", ["dcgan", "dcgan_small", "resnet", "r3gan", "stacked"])
def test_numbers_are_the_same(model: str, channels: int) -> None:
    size = ["data.size=24"] if model == "stacked" else []
    line = [f"model={model}", f"data.channels={channels}", *size]
    usual, inner = trained(*line), trained(*line, "runtime.channels_last=true")
    for x, y in zip(tree_leaves(usual), tree_leaves(inner), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-7, atol=1e-10)


def test_both_directions_keep_to_one_layout() -> None:
    met: list[tuple[Tensor, Tensor]] = []

    class Watched(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x.register_hook(lambda gradient: met.append((x, gradient)))
            return x

    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), Watched(), nn.LeakyReLU(), nn.Conv2d(4, 8, 3), Watched(), nn.ReLU(), nn.Flatten()
    )
    channels_innermost(net)
    net(torch.randn(2, 1, 8, 8)).square().sum().backward()
    assert len(met) == 2
    for x, gradient in met:
        assert x.stride() == gradient.stride()
        assert x.stride(1) == 1


def test_second_derivatives_and_vmap_pass() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(2 * 16, 1)).double()
    inner = nn.Sequential(*net)
    usual, x = {k: p.detach() for k, p in net.named_parameters()}, torch.randn(3, 2, 1, 6, 6).double()

    def slope(params: dict[str, Tensor], x: Tensor, module: nn.Module) -> Tensor:
        def score(x: Tensor) -> Tensor:
            found: Tensor = torch.func.functional_call(module, params, (x,)).sum()
            return found

        squared: Tensor = torch.func.grad(score)(x).square().sum()
        return squared

    def derivative(module: nn.Module) -> list[dict[str, Tensor]]:
        one = [torch.func.grad(slope)(usual, image, module) for image in x]
        many = torch.vmap(lambda image: torch.func.grad(slope)(usual, image, module))(x)
        return [*one, many]

    before = derivative(net)
    channels_innermost(inner)
    for a, b in zip(before, derivative(inner), strict=True):
        for name in a:
            torch.testing.assert_close(a[name], b[name], rtol=1e-9, atol=1e-12)
