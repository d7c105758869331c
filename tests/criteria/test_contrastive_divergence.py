"""Contrastive divergence against closed-form phases, finite differences and the enumerated likelihood."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import grad, vmap

from gan_cli.criteria.base import Value
from gan_cli.criteria.contrastive_divergence import ContrastiveDivergence
from gan_cli.densities.made import MADE
from gan_cli.densities.rbm import RBM
from gan_cli.network import Network
from tests.densities.small_rbm import log_joint, small, states

Params = dict[str, Tensor]


def called(model: RBM) -> Callable[..., Any]:
    return lambda method, *arguments: getattr(model, method)(*arguments)


def step(criterion: ContrastiveDivergence, model: RBM, x: Tensor, memory: Any, seed: int = 0) -> Value:
    noise = criterion.draw(model, len(x), torch.Generator().manual_seed(seed), x.dtype)
    return criterion.value(called(model), x, (), memory, noise)


def phase(model: RBM, v: Tensor) -> list[Tensor]:
    """E[p(h|v) vᵀ], E[p(h|v)], E[v] by outer products, in the order of the parameters."""
    h = torch.sigmoid(model.hidden_bias + v @ model.weight.T).detach()
    return [torch.einsum("bh,bv->hv", h, v) / len(v), h.mean(0), v.mean(0)]


def gradients(model: RBM, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, [model.weight, model.hidden_bias, model.visible_bias]))


def examples(n: int = 16, seed: int = 5) -> Tensor:
    return (torch.rand(n, 5, generator=torch.Generator().manual_seed(seed)) < 0.4).double()


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize(("steps", "averaged"), [(1, 1), (3, 1), (2, 4)])
def test_the_gradient_is_the_difference_of_the_phases(persistent: bool, steps: int, averaged: int) -> None:
    model, x = small(), examples()
    criterion = ContrastiveDivergence(steps, persistent, averaged)
    memory = criterion.init(model, len(x), torch.Generator().manual_seed(1), torch.float64)
    sweeps, _ = criterion.draw(model, len(x), torch.Generator().manual_seed(0), x.dtype)
    assert sweeps.shape == (16, steps + averaged - 1, 9)
    v, chain = memory if persistent else x, []
    for t in range(steps + averaged - 1):
        v = model.gibbs(v, sweeps[:, t])
        chain.append(v)
    value = step(criterion, model, x, memory)
    negative = phase(model, torch.cat(chain[steps - 1 :]))
    expected = [m - p for p, m in zip(phase(model, x), negative, strict=True)]
    torch.testing.assert_close(gradients(model, value.loss), expected)
    if persistent:
        torch.testing.assert_close(value.memory, chain[-1])
    else:
        assert value.memory == ()


def test_long_chains_have_the_gradient_of_the_likelihood() -> None:
    """As k grows, that of E_x[F(x)] + ln Z, Z a sum over all states; CD-1 is off it."""
    model, n = small(scale=1.0), 40_000
    x = examples(8).repeat(n // 8, 1)
    exact = gradients(model, model.free_energy(x).mean() + torch.logsumexp(log_joint(model).flatten(), 0))

    def gap(steps: int) -> float:
        value = step(ContrastiveDivergence(steps), model, x, ())
        pairs = zip(gradients(model, value.loss), exact, strict=True)
        return max(float((found - true).abs().max()) for found, true in pairs)

    assert gap(40) < 5 * 0.5 / n**0.5  # a mean of numbers in [0, 1]
    assert gap(1) > 10 * gap(40)


def test_the_gradient_is_that_of_finite_differences() -> None:
    """Of the free energies with v_k held where the given uniforms have put it."""
    model, x = small(), examples()
    criterion = ContrastiveDivergence(2)
    noise = criterion.draw(model, len(x), torch.Generator().manual_seed(0), x.dtype)
    found = gradients(model, criterion.value(called(model), x, (), (), noise).loss)[0]
    v = x
    for uniforms in noise[0].unbind(1):
        v = model.gibbs(v, uniforms).detach()

    def loss(entry: tuple[int, int], by: float) -> Tensor:
        with torch.no_grad():
            model.weight[entry] += by
            value = model.free_energy(x).mean() - model.free_energy(v).mean()
            model.weight[entry] -= by
        return value

    for entry in ((0, 0), (3, 1), (2, 4)):
        torch.testing.assert_close(found[entry], (loss(entry, 1e-5) - loss(entry, -1e-5)) / 2e-5)


def test_persistent_chains_reach_the_law() -> None:
    """Chains carried from step to step of a machine at rest end with its means."""
    model, n = small(), 20_000
    criterion = ContrastiveDivergence(1, persistent=True)
    memory = criterion.init(model, n, torch.Generator().manual_seed(1), torch.float64)
    assert memory.shape == (n, 5)
    assert set(memory.unique().tolist()) == {0.0, 1.0}
    x = torch.zeros(n, 5, dtype=torch.float64)
    for seed in range(30):
        memory = step(criterion, model, x, memory, seed).memory
    p = torch.softmax(torch.logsumexp(log_joint(model), 1), 0)
    expected = (p @ states(5)).detach()
    torch.testing.assert_close(memory.mean(0), expected, rtol=0, atol=4 * 0.5 / n**0.5)


def test_what_it_shows() -> None:
    model, x = small(), examples(4000)
    shown = step(ContrastiveDivergence(), model, x, ()).shown
    every = [model.pseudo_log_likelihood(x, torch.full((4000,), (i + 0.5) / 5)) for i in range(5)]
    spread = torch.cat(every).std() / 4000**0.5
    assert abs(float(shown["pseudo_log_likelihood"] - torch.cat(every).mean())) < 4 * float(spread)
    again = torch.sigmoid(model.hidden(x) @ model.weight + model.visible_bias + model.base)
    torch.testing.assert_close(shown["reconstruction_error"], ((x - again) ** 2).sum(1).mean())
    assert not any(number.requires_grad for number in shown.values())


@pytest.mark.parametrize("persistent", [False, True])
def test_an_ensemble_is_a_loop_and_the_first_batch_gives_the_base(persistent: bool) -> None:
    """Value, gradient, memory and buffers under vmap, through the network that lends the tensors."""
    network = Network(lambda: RBM(shape=(5,), hidden=4), dtype=torch.float64)
    criterion = ContrastiveDivergence(2, persistent)
    model = network.module
    starts = [network.init(seed) for seed in range(3)]
    xs = torch.stack([examples(seed=seed) for seed in range(3)])
    generators = [torch.Generator().manual_seed(seed) for seed in range(3)]
    memories = [criterion.init(model, 16, g, torch.float64) for g in generators]
    noises = [criterion.draw(model, 16, g, torch.float64) for g in generators]

    def one(params: Params, buffers: Params, x: Tensor, memory: Any, noise: Any) -> Any:
        def loss(p: Params) -> tuple[Tensor, Any]:
            kept = buffers

            def call(method: str, *arguments: Tensor) -> Any:
                nonlocal kept
                found, kept = network(p, kept, *arguments, method=method)
                return found

            value = criterion.value(call, x, (), memory, noise)
            return value.loss, (value.loss, dict(value.shown), value.memory, kept)

        return grad(loss, has_aux=True)(params)

    def stacked(trees: list[Any]) -> Any:
        return torch.utils._pytree.tree_map(lambda *tensors: torch.stack(tensors), *trees)

    everything = [[s[0] for s in starts], [s[1] for s in starts], list(xs), memories, noises]
    together = vmap(one)(*(stacked(trees) for trees in everything))
    for number in range(3):
        alone = one(*(trees[number] for trees in everything))
        there = torch.utils._pytree.tree_map(itemgetter(number), together)
        torch.testing.assert_close(there, alone)
        base = alone[1][3]["base"]
        torch.testing.assert_close(base.sigmoid(), (xs[number].sum(0) + 1) / 18)


def test_refused() -> None:
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        ContrastiveDivergence(steps=0)
    with pytest.raises(ValueError, match="averaged must be at least 1, got 0"):
        ContrastiveDivergence(averaged=0)
    with pytest.raises(ValueError, match=r"model must be .*\(rbm\), got MADE: use loss=nll"):
        ContrastiveDivergence().check(MADE(shape=(1, 2, 2)))
    ContrastiveDivergence().check(small())
