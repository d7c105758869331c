"""Networks: shapes, ranges, initialisation, purity."""

from __future__ import annotations

import copy
import itertools
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from gan_cli.models import dcgan, mlp, mlp_fgan
from gan_cli.network import Network

IMAGES = [(1, 16, 16), (1, 28, 28), (3, 32, 32), (4, 64, 64), (3, 96, 96)]


@pytest.mark.parametrize("shape", [*IMAGES, (2,), (1,)])
@pytest.mark.parametrize("family", [mlp, mlp_fgan, dcgan])
@pytest.mark.parametrize("pixel_range", [(-1.0, 1.0), (0.0, 1.0), (0.1, 0.9), None])
def test_shapes_and_ranges(family: Any, shape: tuple[int, ...], pixel_range: Any) -> None:
    if (pixel_range is None) != (len(shape) == 1) or (family is dcgan and len(shape) == 1):
        return
    small = {"width": 8}
    x = family.Generator(5, shape, pixel_range, **small)(10 * torch.randn(6, 5))
    assert x.shape == (6, *shape)
    if pixel_range:
        assert pixel_range[0] <= x.min() <= x.max() <= pixel_range[1]
    assert family.Critic(shape, **small)(x).shape == (6,)


@pytest.mark.parametrize("kernel", [4, 5])
@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
def test_dcgan_options(kernel: Any, norm: Any) -> None:
    x = dcgan.Generator(7, (3, 28, 28), (-1, 1), width=4, kernel=kernel, norm=norm)(torch.randn(5, 7))
    assert x.shape == (5, 3, 28, 28)
    critic = Network(partial(dcgan.Critic, (3, 28, 28), width=4, kernel=kernel, norm=norm))
    assert critic.module(x).shape == (5,)
    assert critic.mixes_batch == (norm == "batch")


def test_dcgan_at_width_128_has_the_papers_channels() -> None:
    g = dcgan.Generator(100, (3, 64, 64), (-1, 1), width=128, kernel=5)
    channels = [m.in_channels for m in g.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert channels == [1024, 512, 256, 128]
    assert g.base == (1024, 4, 4)


@pytest.mark.parametrize("shape", [(2,), (1, 28, 32), (1, 27, 27), (1, 6, 6), (3, 4, 4)])
def test_dcgan_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"model=mlp|data\.size="):
        dcgan.Critic(shape)


@pytest.mark.parametrize(("family", "g_std", "c_std"), [(dcgan, 0.02, 0.02), (mlp_fgan, 0.05, 0.005)])
def test_initialisation_is_the_papers(family: Any, g_std: float, c_std: float) -> None:
    nets = ((family.Generator(100, (1, 28, 28), (-1, 1)), g_std), (family.Critic((1, 28, 28)), c_std))
    for net, std in nets:
        for m in net.modules():
            if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d) and m.weight.numel() > 2000:
                assert m.weight.std().item() == pytest.approx(std, rel=0.1)
                assert m.weight.mean().item() == pytest.approx(0, abs=std / 10)


def test_no_bias_stands_before_batch_norm() -> None:
    for net in (
        dcgan.Generator(9, (3, 32, 32), (-1, 1)),
        dcgan.Critic((3, 32, 32)),
        mlp_fgan.Generator(9, (4,), None),
    ):
        flat = [m for m in net.modules() if not list(m.children())]
        for layer, after in itertools.pairwise(flat):
            if isinstance(after, nn.BatchNorm1d | nn.BatchNorm2d):
                assert layer.bias is None


def test_orthogonal_init() -> None:
    net = mlp.Generator(64, (2,), None, width=64, init="orthogonal", gain=0.8)
    weight = net.body[0].weight
    assert isinstance(weight, nn.Parameter)
    torch.testing.assert_close(weight @ weight.T, 0.64 * torch.eye(64), atol=1e-5, rtol=1e-5)


def batch_net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))


def test_a_network_is_its_module_and_changes_nothing() -> None:
    network, x = Network(batch_net), torch.randn(8, 3)
    params, buffers = network.init(5)
    twin = batch_net()
    twin.load_state_dict(params | buffers)
    kept = copy.deepcopy((params, buffers))
    y, after = network(params, buffers, x)
    assert torch.equal(y, twin(x))
    for name, value in twin.named_buffers():
        assert torch.equal(after[name], value)
    assert torch.equal(network(params, after, x, training=False)[0], twin.eval()(x))
    for now, before in zip((params, buffers), kept, strict=True):
        assert all(torch.equal(now[k], before[k]) for k in before)


def test_init_is_a_function_of_the_seed_and_leaves_the_global_stream_alone() -> None:
    network = Network(batch_net)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    first, again, other = (network.init(seed)[0] for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not torch.equal(first["0.weight"], other["0.weight"])


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 3)
        self.b = nn.Linear(3, 3)
        self.b.weight = self.a.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(self.a(x))  # type: ignore[no-any-return]


def test_tied_weights_stay_tied() -> None:
    network, x = Network(Tied), torch.randn(2, 3)
    params, buffers = network.init(0)
    twin = Tied()
    twin.load_state_dict({**params, "b.weight": params["a.weight"]})
    assert torch.equal(network(params, buffers, x)[0], twin(x))
