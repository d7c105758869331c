"""Spectral normalisation: against torch.linalg, torch's own, and what it promises of a critic."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gan_cli.layers.spectral_norm import SpectralNorm
from gan_cli.models.mlp import Critic
from gan_cli.models.r3gan import Critic as R3GANCritic
from gan_cli.network import Network
from tests.laws.rounds import IMAGES, game

LAYERS: dict[str, Any] = {
    "linear": lambda: nn.Linear(5, 3),
    "convolution": lambda: nn.Conv2d(3, 4, 3),
    "grouped": lambda: nn.Conv2d(4, 6, 3, groups=2),
    "transposed": lambda: nn.ConvTranspose2d(3, 4, 3),
}
INPUTS = {"linear": (2, 5), "convolution": (2, 3, 5, 5), "grouped": (2, 4, 5, 5), "transposed": (2, 3, 5, 5)}


def made(kind: str) -> Any:
    torch.manual_seed(1)
    return LAYERS[kind]().double()


def matrix(kind: str, weight: Tensor) -> Tensor:
    return (weight.transpose(0, 1) if kind == "transposed" else weight).flatten(1)


@pytest.mark.parametrize("kind", LAYERS)
def test_the_weight_that_counts_has_norm_one(kind: str) -> None:
    plain = made(kind)
    layer: Any = SpectralNorm(n_power_iterations=300).into(copy.deepcopy(plain))
    layer(torch.randn(INPUTS[kind], dtype=torch.float64))
    weight = layer.eval().weight
    norm = torch.linalg.matrix_norm(matrix(kind, plain.weight), ord=2)
    torch.testing.assert_close(torch.linalg.matrix_norm(matrix(kind, weight), ord=2).item(), 1.0)
    torch.testing.assert_close(weight * norm, plain.weight)


@pytest.mark.parametrize("iterations", [1, 3])
@pytest.mark.parametrize("kind", LAYERS)
def test_equals_torch_step_by_step(kind: str, iterations: int) -> None:
    ours: Any = SpectralNorm(iterations).into(made(kind))
    theirs: Any = torch.nn.utils.parametrizations.spectral_norm(made(kind), n_power_iterations=iterations)
    mine, other = ours.parametrizations.weight[0], theirs.parametrizations.weight[0]
    u, v = (torch.nn.functional.normalize(torch.randn_like(x), dim=0) for x in (mine.u, mine.v))
    mine.u, mine.v = u.clone(), v.clone()
    other._u.copy_(u)
    other._v.copy_(v)
    for _ in range(3):
        x = torch.randn(INPUTS[kind], dtype=torch.float64)
        results = []
        for layer in (ours, theirs):
            y = layer(x)
            weight = layer.parametrizations.weight.original
            results.append((y, *torch.autograd.grad(y.square().sum(), weight)))
        for a, b in zip(*results, strict=True):
            torch.testing.assert_close(a, b)
        torch.testing.assert_close(mine.u, other._u)
        torch.testing.assert_close(mine.v, other._v)


def critic(iterations: int = 1) -> Network:
    layer = SpectralNorm(iterations)
    return Network(lambda: layer.into(Critic((2,), width=8, activation="leaky_relu")), torch.float64)


def test_only_training_moves_the_vectors_and_nothing_given_is_changed() -> None:
    network = critic()
    params, buffers = network.init(0)
    kept, x = {k: b.clone() for k, b in buffers.items()}, torch.randn(3, 2, dtype=torch.float64)
    _, after = network(params, buffers, x, training=False)
    _, moved = network(params, buffers, x)
    assert all(torch.equal(after[k], kept[k]) and torch.equal(buffers[k], kept[k]) for k in kept)
    assert any(not torch.equal(moved[k], kept[k]) for k in kept)


def test_a_critic_without_training_is_normalised_too() -> None:
    network = critic()
    params, buffers = network.init(0)
    twice = {k: 2 * p if k.endswith("original") else p for k, p in params.items()}
    x = torch.randn(3, 2, dtype=torch.float64)
    scores = [network(p, buffers, x, training=False)[0] for p in (params, twice)]
    torch.testing.assert_close(*scores)  # however long the weights


def test_the_critic_is_lipschitz() -> None:
    network = critic(300)
    params, buffers = network.init(0)
    _, buffers = network(params, buffers, torch.zeros(1, 2, dtype=torch.float64))
    x, y = torch.randn(2, 500, 2, dtype=torch.float64)
    apart = [network(params, buffers, z, training=False)[0] for z in (x, y)]
    assert ((apart[0] - apart[1]).abs() <= (x - y).norm(dim=1) * (1 + 1e-9)).all()


def test_hidden_layers_are_found_as_before() -> None:
    plain, other = (game(IMAGES, *o).critic.network for o in ([], ["trick=[spectral_norm]"]))
    params, buffers = other.init(0)
    x = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    assert plain.depth == other.depth
    assert other.features(params, buffers, x).shape == plain.features(*plain.init(0), x).shape


@pytest.mark.parametrize(
    ("network", "message"),
    [(nn.ReLU(), "no linear map and no convolution"), (R3GANCritic((3, 8, 8), width=16), "starts at 0")],
)
def test_networks_without_a_place_for_it_are_refused(network: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SpectralNorm().into(network)


@pytest.mark.parametrize("wrong", [{"n_power_iterations": 0}, {"eps": 0.0}])
def test_values_out_of_range_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        SpectralNorm(**wrong)
