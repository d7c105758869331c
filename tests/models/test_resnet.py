"""Residual networks: shapes, sizes, derivatives, initialisation, independence of examples."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional as F

from gan_cli.calculus import Calculus, eager, functional
from gan_cli.models import r3gan, resnet
from gan_cli.network import Network

IMAGES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (1, 64, 64), (3, 48, 48)]
NORMS = ["batch", "layer", "none"]


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def shaken(net: nn.Module) -> nn.Module:
    """The network in float64 with every parameter moved, the zero ones too."""
    net = net.double()
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return net


@pytest.mark.parametrize("shape", IMAGES)
@pytest.mark.parametrize("family", [resnet, r3gan])
@pytest.mark.parametrize("pixel_range", [(-1.0, 1.0), (0.1, 0.9)])
def test_shapes_and_ranges(family: Any, shape: tuple[int, ...], pixel_range: Any) -> None:
    x = family.Generator(5, shape, pixel_range, width=8, growth=2)(10 * torch.randn(4, 5))
    assert x.shape == (4, *shape)
    assert pixel_range[0] - 1e-6 <= x.min() <= x.max() <= pixel_range[1] + 1e-6
    kept = x.clone()
    assert family.Critic(shape, width=8, growth=2)(x).shape == (4,)
    assert torch.equal(x, kept)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("pool", ["mean", "sum"])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "softplus"])
def test_resnet_options(norm: Any, pool: Any, activation: Any) -> None:
    shape = (3, 16, 16)
    g = resnet.Generator(7, shape, (-1, 1), width=4, norm=norm, activation=activation)
    critic = Network(partial(resnet.Critic, shape, width=4, norm=norm, activation=activation, pool=pool))
    assert critic.module(g(torch.randn(5, 7))).shape == (5,)
    assert critic.mixes_batch == (norm == "batch")


def test_sum_pooling_is_the_mean_times_the_plane() -> None:
    mean, total = (resnet.Critic((1, 32, 32), width=4, pool=pool) for pool in ("mean", "sum"))
    total.load_state_dict(mean.state_dict())
    x = torch.randn(3, 1, 32, 32)
    torch.testing.assert_close(total(x), 64 * mean(x))  # an 8 x 8 plane; the score's bias is 0


def test_channels_double_up_to_growth() -> None:
    assert resnet.channels(64, 8, 4) == [64, 128, 256, 512, 512]
    assert resnet.channels(128, 1, 2) == [128, 128, 128]


def test_resnet_sizes_are_the_papers() -> None:
    """SNGAN's nets for 32 pixels, layer by layer, without the biases that a BatchNorm removes."""
    g, w = 256, 128
    generator = 128 * 16 * g + 16 * g + 3 * (2 * 9 * g * g + g * g + 4 * g) + 2 * g + 9 * g * 3 + 3
    assert count(resnet.Generator(128, (3, 32, 32), (-1, 1), width=g, growth=1)) == generator
    pair = 2 * (9 * w * w + w)  # two 3 x 3 convolutions
    first = 9 * 3 * w + w + 9 * w * w + w + 3 * w + w
    assert count(resnet.Critic((3, 32, 32), width=w, growth=1)) == first + 3 * pair + w * w + w + w + 1


@pytest.mark.parametrize(("side", "width", "growth", "widths"), [
    (32, 768, 1, [768] * 4),
    (64, 384, 2, [384, 768, 768, 768, 768]),
    (32, 16, 8, [16, 32, 64, 128]),
])  # fmt: skip
def test_r3gan_sizes_are_the_papers(side: int, width: int, growth: int, widths: list[int]) -> None:
    def stage(w: int) -> int:  # two blocks of 1 x 1, bias, 3 x 3 on 16 channels a group, bias, 1 x 1
        return 2 * (w * 2 * w + 2 * w + 9 * 16 * 2 * w + 2 * w + 2 * w * w)

    changes = sum(a * b for a, b in itertools.pairwise(widths) if a != b)
    common = sum(map(stage, widths)) + changes + 3 * widths[0] + 16 * widths[-1]  # with the 4 x 4 plane
    with torch.device("meta"):
        generator = r3gan.Generator(64, (3, side, side), (-1, 1), width=width, growth=growth)
        critic = r3gan.Critic((3, side, side), width=width, growth=growth)
    assert count(generator) == common + 64 * widths[-1]
    assert count(critic) == common + widths[-1]


CRITICS: dict[str, Callable[[], nn.Module]] = {
    "resnet": partial(resnet.Critic, (2, 8, 8), width=3, activation="softplus"),
    "resnet_relu": partial(resnet.Critic, (2, 8, 8), width=3),
    "resnet_layer": partial(resnet.Critic, (2, 8, 8), width=3, norm="layer", activation="softplus"),
    "r3gan": partial(r3gan.Critic, (2, 8, 8), width=4, growth=2, blocks=1, group=4),
}


@pytest.mark.parametrize("name", CRITICS)
@pytest.mark.parametrize("calculus", [eager, functional])
def test_gradient_penalty_descends_as_finite_differences_say(name: str, calculus: Calculus) -> None:
    torch.manual_seed(3)
    net = shaken(CRITICS[name]())
    x = torch.randn(3, 2, 8, 8, dtype=torch.float64)
    params = {k: p.detach() for k, p in net.named_parameters()}

    def penalty(at: dict[str, Tensor]) -> tuple[Tensor, tuple[()]]:
        gradient = calculus.input_gradient(lambda y: functional_call(net, at, (y,)), x)
        return gradient.square().flatten(1).sum(1).mean(), ()

    slopes, value, _ = calculus.gradient(penalty, params)
    assert value > 0
    assert all(s.isfinite().all() for s in slopes.values())
    along = {k: torch.randn_like(p) for k, p in params.items()}
    step = 1e-6
    ends = [penalty({k: params[k] + s * step * along[k] for k in params})[0] for s in (1, -1)]
    predicted = sum((slopes[k] * along[k]).sum() for k in params)
    torch.testing.assert_close((ends[0] - ends[1]) / (2 * step), predicted, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", CRITICS)
def test_an_example_is_scored_alone(name: str) -> None:
    net, x = shaken(CRITICS[name]()), torch.randn(4, 2, 8, 8, dtype=torch.float64)
    alone = torch.cat([net(x[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(net(x), alone)
    assert not Network(CRITICS[name]).mixes_batch


@pytest.mark.parametrize("name", CRITICS)
def test_an_ensemble_has_the_gradients_of_its_members(name: str) -> None:
    nets = [shaken(CRITICS[name]()) for _ in range(2)]
    params, _ = stack_module_state(nets)
    x = torch.randn(3, 2, 8, 8, dtype=torch.float64)

    def penalty(at: dict[str, Tensor], net: nn.Module = nets[0]) -> Tensor:
        slopes: Tensor = grad(lambda y: functional_call(net, at, (y,)).sum())(x)
        return slopes.square().sum()

    together = vmap(grad(penalty))({k: p.detach() for k, p in params.items()})
    for i, net in enumerate(nets):
        for key, value in grad(penalty)({k: p.detach() for k, p in net.named_parameters()}).items():
            torch.testing.assert_close(together[key][i], value)


@pytest.mark.parametrize("make", [
    partial(resnet.Generator, 3, (1, 8, 8), (-1, 1), width=2, norm="layer"),
    partial(r3gan.Generator, 3, (1, 8, 8), (-1, 1), width=4, growth=1, blocks=1, group=4),
])  # fmt: skip
def test_generators_vmap_and_differentiate_twice(make: Any) -> None:
    net = shaken(make())
    z = torch.randn(2, 3, dtype=torch.float64)
    each = vmap(lambda one: net(one[None])[0])(z)
    torch.testing.assert_close(each, net(z))
    assert torch.autograd.gradgradcheck(net, (z.requires_grad_(),))


def blocks_of(net: nn.Module) -> list[resnet.Residual]:
    return [m for m in net.modules() if isinstance(m, resnet.Residual)]


def test_r3gan_starts_as_if_it_had_no_blocks() -> None:
    g = r3gan.Generator(6, (1, 16, 16), (-1, 1), width=8, growth=2)
    c = r3gan.Critic((1, 16, 16), width=8, growth=2)
    assert len(blocks_of(g)) == len(blocks_of(c)) == 2 * 3
    z, x = torch.randn(2, 6), torch.randn(2, 1, 16, 16)
    before = g(z), c(x)
    for block in blocks_of(g) + blocks_of(c):
        assert isinstance(block.branch, nn.Sequential)
        for layer in list(block.branch)[:-1]:
            for p in layer.parameters():
                nn.init.normal_(p, 3.0, 2.0)
    assert torch.equal(before[0], g(z))
    assert torch.equal(before[1], c(x))
    for block in blocks_of(g):
        nn.init.normal_(list(block.parameters())[-1])
    assert not torch.allclose(before[0], g(z))


def test_r3gan_scales_its_branches_by_depth() -> None:
    for blocks in (1, 3):
        net = r3gan.Critic((3, 32, 32), width=64, growth=1, blocks=blocks)
        depth = 4 * blocks
        for block in blocks_of(net):
            first, second = (
                m for m in block.branch.modules() if isinstance(m, nn.Conv2d) and m.bias is not None
            )
            for conv, fan_in in ((first, 64), (second, 9 * 16)):
                std = (2 / 1.04 / fan_in) ** 0.5 * depth**-0.25
                assert conv.weight.std().item() == pytest.approx(std, rel=0.05)
                assert conv.bias is not None
                assert not conv.bias.any()


def test_resampling_is_bilinear_and_its_adjoint() -> None:
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    doubled = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
    torch.testing.assert_close(r3gan.Double()(x), doubled)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 8
    kernel = torch.outer(taps, taps).expand(3, 1, 4, 4)
    halved = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, stride=2, groups=3)
    torch.testing.assert_close(r3gan.Halve()(x), halved)
    y = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    torch.testing.assert_close((r3gan.Double()(y) * x).sum(), 4 * (y * r3gan.Halve()(x)).sum())


def test_no_bias_that_batch_norm_removes() -> None:
    g = resnet.Generator(4, (3, 16, 16), (-1, 1), width=4, norm="batch")
    biased = [m for m in g.modules() if isinstance(m, nn.Conv2d) and m.bias is not None]
    assert [m.out_channels for m in biased] == [3]
    for net in (g, resnet.Critic((3, 16, 16), width=4, norm="batch")):
        x = torch.randn(6, 4) if net is g else torch.randn(6, 3, 16, 16)
        net.double()(x.double()).square().sum().backward()
        for name, p in net.named_parameters():
            assert p.grad is not None
            assert p.grad.abs().max() > 1e-8, name


@pytest.mark.parametrize("family", [resnet, r3gan])
def test_what_cannot_be_is_refused_in_one_line(family: Any) -> None:
    generator = partial(family.Generator, 4, pixel_range=(-1, 1))
    for make in (generator, family.Critic):
        for shape in [(2,), (1, 28, 32), (1, 27, 27), (1, 6, 6)]:
            with pytest.raises(ValueError, match=r"model=mlp|data\.size="):
                make(shape=shape)
        for wrong in ({"width": 0}, {"growth": 0}):
            with pytest.raises(ValueError, match=f"^{next(iter(wrong))} must be at least 1, got 0$"):
                make(shape=(1, 32, 32), **wrong)


@pytest.mark.parametrize("make", [partial(r3gan.Generator, 4, pixel_range=None), r3gan.Critic])
def test_r3gan_refuses_groups_that_do_not_fit(make: Any) -> None:
    for wrong in ({"blocks": 0}, {"expansion": 0}, {"group": 0}):
        with pytest.raises(ValueError, match=f"^{next(iter(wrong))} must be at least 1, got 0$"):
            make(shape=(1, 32, 32), **wrong)
    with pytest.raises(ValueError, match=r"^group must be a divisor of width · expansion = 24, got 16$"):
        make(shape=(1, 32, 32), width=12)
