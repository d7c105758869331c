"""Layers: laws of all, minibatch discrimination and virtual batch normalisation against loops."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gan_cli.calculus import functional
from gan_cli.errors import InputError
from gan_cli.layers.base import Layer
from gan_cli.layers.minibatch_discrimination import Closeness, MinibatchDiscrimination
from gan_cli.layers.virtual_batch_norm import VirtualBatchNorm
from gan_cli.models.mlp import Critic
from gan_cli.network import Network
from gan_cli.types import Buffers, Params
from tests.games import normed_generator
from tests.laws.rounds import (
    IMAGES,
    POINTS,
    assert_an_ensemble_is_its_runs,
    assert_same,
    assert_the_generators_gradient_is_a_slope,
    game,
    trained,
)
from tests.test_combinations import built

SPECTRAL, FEW = "trick=[spectral_norm]", "trick.minibatch_discrimination.kernels=7"
CASES = {
    "minibatch_discrimination": [*POINTS, "trick=[minibatch_discrimination]", FEW],
    "spectral_norm": [*IMAGES, SPECTRAL, "model.critic.norm=none"],
    "generator": [*IMAGES, SPECTRAL, "trick.spectral_norm.side=generator"],
    "virtual_batch_norm": [*IMAGES, "trick=[virtual_batch_norm]", "trick.virtual_batch_norm.size=5"],
    "penalised": [*POINTS, "trick=[spectral_norm,r1,unrolled]", "trick.unrolled.steps=2"],
    "both": [
        *POINTS,
        "trick=[minibatch_discrimination,spectral_norm,unrolled]",
        "trick.unrolled.steps=1",
        FEW,
    ],
}


@pytest.mark.parametrize("case", CASES)
def test_an_ensemble_is_its_runs(case: str) -> None:
    assert_an_ensemble_is_its_runs(game(CASES[case]))


@pytest.mark.parametrize("case", [c for c in CASES if c not in ("penalised", "both")])
def test_the_generators_gradient_is_a_slope(case: str) -> None:
    # The singular vectors count as constants, right in the generator itself only where they have converged.
    enough = ["trick.spectral_norm.n_power_iterations=500"] if case == "generator" else []
    assert_the_generators_gradient_is_a_slope(game(CASES[case], *enough))


@pytest.mark.parametrize("case", CASES)
def test_layers_work_in_half_precision_and_leave_the_state_in_single(case: str) -> None:
    half = [o for o in CASES[case] if not o.startswith("runtime")]
    state = trained(game(half, "runtime.precision=bf16"), 1)
    tensors = [*state.generator.buffers.values(), *state.critic.buffers.values()]
    assert {t.dtype for t in tensors} <= {torch.float32, torch.int64}
    assert all(t.isfinite().all() for t in tensors)


# --- minibatch discrimination -----------------------------------------------------------------------------


def closeness(training: bool = True) -> Closeness:
    torch.manual_seed(0)
    return Closeness(features=4, kernels=3, dims=2).double().train(training)


def test_closeness_equals_a_loop_over_pairs() -> None:
    layer, f = closeness(), torch.randn(5, 4, dtype=torch.float64)
    m = (f @ layer.tensor).view(5, 2, 3).transpose(1, 2)
    expected = torch.zeros(5, 3, dtype=torch.float64)
    for i in range(5):
        for j in set(range(5)) - {i}:
            for b in range(3):
                expected[i, b] += torch.exp(
                    -torch.stack([abs(m[i, b, c] - m[j, b, c]) for c in (0, 1)]).sum()
                )
    torch.testing.assert_close(layer(f), torch.cat([f, expected], 1))


def test_closeness_is_differentiated_rightly() -> None:
    layer, f = closeness(), torch.randn(3, 4, dtype=torch.float64, requires_grad=True)

    def function(f: Tensor, t: Tensor) -> Any:
        return torch.func.functional_call(layer, {"tensor": t}, f)

    assert torch.autograd.gradcheck(function, (f, layer.tensor))
    assert torch.autograd.gradgradcheck(function, (f, layer.tensor))


def test_evaluation_judges_each_example_against_the_usual_batch() -> None:
    layer, batches = closeness(), torch.randn(2, 5, 4, dtype=torch.float64)
    first, second = (layer(batch)[:, 4:].mean(0) for batch in batches)
    torch.testing.assert_close(layer.usual, 0.9 * 0.1 * first + 0.1 * second)
    before, layer = layer.usual.clone(), layer.eval()
    together = layer(batches[0])
    torch.testing.assert_close(together[:, 4:], before.expand(5, 3))
    torch.testing.assert_close(together[2:3], layer(batches[0][2:3]))
    assert torch.equal(layer.usual, before)


def test_the_critic_starts_as_the_plain_one_and_learns_to_compare() -> None:
    plain, other = game(POINTS), game(POINTS, "trick=[minibatch_discrimination]")
    params = {k.replace("body.4.1.", "body.4."): p for k, p in other.init(0).critic.params.items()}
    x = torch.randn(6, 2, dtype=torch.float64)
    kept: Params = {
        k: v[:, :5] if k == "body.4.weight" else v for k, v in params.items() if "tensor" not in k
    }
    score = plain.critic.network(kept, {}, x)[0]
    torch.testing.assert_close(other.score(other.init(0), x), score)
    after = trained(other, 2).critic.params
    assert after["body.4.1.weight"][:, 5:].ne(0).all()
    assert other.critic.network.mixes_batch


@pytest.mark.parametrize(
    ("layer", "network", "message"),
    [
        (MinibatchDiscrimination(), nn.Sequential(nn.Conv2d(1, 1, 4), nn.Flatten()), "end in a linear map"),
        (MinibatchDiscrimination(), nn.ReLU(), "end in a linear map"),
        (VirtualBatchNorm(3), nn.Linear(3, 2), "no BatchNorm"),
        (VirtualBatchNorm(4), normed_generator(), "latent must be as many as the generator takes, got 4"),
    ],
)
def test_networks_without_a_place_for_the_layer_are_refused(
    layer: Layer, network: nn.Module, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        layer.into(network)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["trick=[minibatch_discrimination,r1]"], "no minibatch discrimination"),
        (["trick=[virtual_batch_norm]"], "trick.virtual_batch_norm: the generator has no BatchNorm"),
        (["trick=[minibatch_discrimination]", "trick.minibatch_discrimination.dims=0"], "dims must be at"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(overrides: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        built(*POINTS, *overrides)


# --- virtual batch normalisation --------------------------------------------------------------------------


def virtual(make: Any = normed_generator, size: int = 4) -> Network:
    return Network(lambda: VirtualBatchNorm(3, size=size).into(make()), torch.float64)


def images() -> nn.Module:
    """z [B, 3] -> [B, 2, 2, 3] through BatchNorm with scales and shifts of its own."""
    norm = nn.BatchNorm2d(2, eps=1e-3)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return nn.Sequential(nn.Linear(3, 12), nn.Unflatten(1, (2, 2, 3)), norm)


def test_virtual_batch_norm_equals_a_loop_over_examples() -> None:
    network = virtual(images)
    params, buffers = network.init(0)
    z = torch.randn(5, 3, dtype=torch.float64)

    def before(z: Tensor) -> Tensor:
        return (z @ params["network.0.weight"].T + params["network.0.bias"]).view(-1, 2, 2, 3)

    reference, expected = before(buffers["reference"]), []
    for own in before(z):
        channels = []
        for c in range(2):
            # Mean and mean square, as the paper has them: own with weight 1/(n + 1).
            mean = own[c].mean() / 5 + reference[:, c].mean() * 4 / 5
            square = own[c].square().mean() / 5 + reference[:, c].square().mean() * 4 / 5
            scaled = (own[c] - mean) / torch.sqrt(square - mean**2 + 1e-3)
            channels.append(scaled * params["network.2.weight"][c] + params["network.2.bias"][c])
        expected.append(torch.stack(channels))
    torch.testing.assert_close(network(params, buffers, z)[0], torch.stack(expected))


@pytest.mark.parametrize("training", [True, False])
def test_an_example_does_not_depend_on_the_rest_of_its_batch(training: bool) -> None:
    made = game(IMAGES, "trick=[virtual_batch_norm]")
    network, player = made.generator.network, made.init(0).generator
    z = torch.randn(6, 3, dtype=torch.float64)
    call = partial(network, player.params, player.buffers, training=training)
    alone = torch.cat([call(one[None])[0] for one in z])
    assert not network.mixes_batch
    assert game(IMAGES).generator.network.mixes_batch
    torch.testing.assert_close(call(z)[0], alone, rtol=1e-12, atol=1e-13)
    assert (alone[0] - alone[1]).abs().max() > 1e-6


def test_the_reference_is_normalised_as_batch_norm_would() -> None:
    network, plain = virtual(), Network(normed_generator, torch.float64)
    params, buffers = network.init(0)
    seen: list[Tensor] = []
    hook = network.module.network.register_forward_hook(lambda m, x, y: seen.append(y))  # type: ignore
    network(params, buffers, torch.randn(7, 3, dtype=torch.float64))
    hook.remove()
    names = {k.removeprefix("network."): p for k, p in params.items()}
    torch.testing.assert_close(seen[0][:4], plain(names, plain.init(0)[1], buffers["reference"])[0])


def test_the_reference_is_a_draw_from_the_prior_by_the_seed() -> None:
    made = game(IMAGES, "trick=[virtual_batch_norm]", "model.prior=uniform", "model.latent=2")
    first, again, other = (made.init(seed).generator.buffers["reference"] for seed in (0, 0, 1))
    assert first.shape == (64, 2)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.abs().max() < 1
    assert torch.equal(trained(made, 2).generator.buffers["reference"], first)


def test_layers_keep_a_functional_critic_pure() -> None:
    layer = MinibatchDiscrimination(kernels=3, dims=2)
    network = Network(lambda: layer.into(Critic((2,), width=4, depth=1)), torch.float64)
    params, buffers = network.init(0)
    kept = {k: b.clone() for k, b in buffers.items()}

    def objective(params: Params) -> tuple[Tensor, Buffers]:
        scores, after = network(params, buffers, torch.ones(3, 2, dtype=torch.float64))
        return scores.square().mean(), after

    gradient, _, after = functional.gradient(objective, params)
    assert_same(buffers, kept, rtol=0.0)
    assert gradient.keys() == params.keys()
    assert all(not torch.equal(after[k], kept[k]) for k in kept)
