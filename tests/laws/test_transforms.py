"""Every optimiser equals torch.optim's to float64 rounding, is pure, and works under vmap."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gan_cli.calculus import norm
from gan_cli.transforms.adam import Adam, AdamW
from gan_cli.transforms.base import Transform, apply, chain
from gan_cli.transforms.clipping import GradientClipping
from gan_cli.transforms.rmsprop import RMSprop
from gan_cli.transforms.sgd import SGD
from gan_cli.types import Params

CASES: list[tuple[type[Transform], type[torch.optim.Optimizer], dict[str, Any]]] = [
    (Adam, torch.optim.Adam, {"lr": 1e-2, "betas": (0.5, 0.999)}),
    (Adam, torch.optim.Adam, {"lr": 1e-2, "betas": (0.9, 0.99), "eps": 1e-3, "weight_decay": 0.1}),
    (Adam, torch.optim.Adam, {"lr": 1e-2, "betas": (0.0, 0.9), "amsgrad": True}),
    (AdamW, torch.optim.AdamW, {"lr": 1e-2, "betas": (0.9, 0.999), "weight_decay": 0.1}),
    (SGD, torch.optim.SGD, {"lr": 1e-1}),
    (SGD, torch.optim.SGD, {"lr": 1e-1, "momentum": 0.9, "weight_decay": 0.01}),
    (SGD, torch.optim.SGD, {"lr": 1e-1, "momentum": 0.9, "dampening": 0.3}),
    (SGD, torch.optim.SGD, {"lr": 1e-1, "momentum": 0.9, "nesterov": True}),
    (RMSprop, torch.optim.RMSprop, {"lr": 1e-2}),
    (
        RMSprop,
        torch.optim.RMSprop,
        {"lr": 1e-2, "alpha": 0.9, "eps": 1e-4, "momentum": 0.5, "weight_decay": 0.1},
    ),
    (RMSprop, torch.optim.RMSprop, {"lr": 1e-2, "centered": True, "momentum": 0.9}),
]
IDS = [f"{c[0].__name__}-{'-'.join(c[2])}" for c in CASES]


def start() -> Params:
    g = torch.Generator().manual_seed(0)
    return {
        "a": torch.randn(3, 4, generator=g, dtype=torch.float64),
        "b": torch.randn(5, generator=g, dtype=torch.float64),
    }


def slope(params: Params) -> Params:
    """The gradient of a fixed non-convex function, with one coordinate that never moves."""
    return {k: torch.cos(3 * p) + p * (torch.arange(p.numel()).view_as(p) > 0) for k, p in params.items()}


@pytest.mark.parametrize("differentiable", [True, False])
@pytest.mark.parametrize(("ours", "theirs", "options"), CASES, ids=IDS)
def test_equals_torch_optim(ours: Any, theirs: Any, options: dict[str, Any], differentiable: bool) -> None:
    with torch.set_grad_enabled(differentiable):
        _equals_torch_optim(ours, theirs, options)


def _equals_torch_optim(ours: Any, theirs: Any, options: dict[str, Any]) -> None:
    params, transform = start(), ours(**options)
    memory = transform.init(params)
    leaves = {k: p.clone() for k, p in params.items()}
    optimiser = theirs(list(leaves.values()), **options)
    for _ in range(25):
        updates, memory = transform.update(slope(params), memory, params)
        params = apply(params, updates)
        for k, g in slope(leaves).items():
            leaves[k].grad = g
        optimiser.step()
    for k in params:
        torch.testing.assert_close(params[k], leaves[k], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("ours", "theirs", "options"), CASES, ids=IDS)
def test_is_pure(ours: Any, theirs: Any, options: dict[str, Any]) -> None:
    params, transform = start(), ours(**options)
    memory = transform.init(params)
    _, memory = transform.update(slope(params), memory, params)
    before = torch.utils._pytree.tree_map(torch.clone, (params, memory))
    first = transform.update(slope(params), memory, params)
    second = transform.update(slope(params), memory, params)
    for x, y in zip(*map(torch.utils._pytree.tree_leaves, ((params, memory), before)), strict=True):
        assert torch.equal(x, y)
    for x, y in zip(*map(torch.utils._pytree.tree_leaves, (first, second)), strict=True):
        assert torch.equal(x, y)


@pytest.mark.parametrize(("ours", "theirs", "options"), CASES, ids=IDS)
def test_is_the_same_under_vmap_with_a_rate_a_run(ours: Any, theirs: Any, options: dict[str, Any]) -> None:
    rates = torch.tensor([1e-3, 1e-1], dtype=torch.float64)
    params = start()

    def one(lr: Any) -> Params:
        transform = ours(**options | {"lr": lr})
        memory, p = transform.init(params), params
        for _ in range(3):
            updates, memory = transform.update(slope(p), memory, p)
            p = apply(p, updates)
        return p

    together = torch.vmap(one)(rates)
    for i, rate in enumerate(rates):
        for k, alone in one(rate.item()).items():
            torch.testing.assert_close(together[k][i], alone, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("ours", "theirs", "options"), CASES, ids=IDS)
def test_two_steps_differentiate_to_finite_differences(
    ours: Any, theirs: Any, options: dict[str, Any]
) -> None:
    params, transform = start(), ours(**options)

    def end(shift: torch.Tensor) -> torch.Tensor:
        p, memory = params, transform.init(params)
        for _ in range(2):
            g = {k: v + shift for k, v in slope(p).items()}
            updates, memory = transform.update(g, memory, p)
            p = apply(p, updates)
        return torch.stack([v.sum() for v in p.values()]).sum()

    assert torch.autograd.gradcheck(end, (torch.tensor(0.1, dtype=torch.float64, requires_grad=True),))


@pytest.mark.parametrize("together", [False, True])
def test_float32_stays_float32(together: bool) -> None:
    params = {k: p.float() for k, p in start().items()}

    def one(lr: Any) -> Params:
        transform = Adam(lr=lr)
        updates, _ = transform.update(slope(params), transform.init(params), params)
        return apply(params, updates)

    after = torch.vmap(one)(torch.tensor([1e-3])) if together else one(1e-3)
    assert {p.dtype for p in after.values()} == {torch.float32}


def test_a_parameter_without_gradient_has_a_finite_second_derivative() -> None:
    transform = Adam()
    params = {"w": torch.zeros(2, dtype=torch.float64)}
    scale = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    updates, _ = transform.update({"w": params["w"] * scale}, transform.init(params), params)
    (derivative,) = torch.autograd.grad(updates["w"].sum(), scale)
    assert derivative.isfinite()


def test_clipping_equals_torch() -> None:
    gradients = slope(start())
    leaves = {k: torch.nn.Parameter(torch.zeros_like(g)) for k, g in gradients.items()}
    for limit in (0.5, 100.0):
        for k, p in leaves.items():
            p.grad = gradients[k].clone()
        torch.nn.utils.clip_grad_norm_(leaves.values(), limit)
        clipped, _ = GradientClipping(limit).update(gradients, (), gradients)
        for k, p in leaves.items():
            torch.testing.assert_close(clipped[k], p.grad, rtol=1e-13, atol=0)


def test_chain_composes_and_the_empty_chain_is_the_identity() -> None:
    params, gradients = start(), slope(start())
    unit = chain()
    assert unit.update(gradients, unit.init(params), params)[0] is gradients
    both = chain(GradientClipping(0.1), SGD(lr=1.0))
    updates, _ = both.update(gradients, both.init(params), params)
    assert norm(updates).item() == pytest.approx(0.1, rel=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Adam(lr=0.0),
        lambda: Adam(betas=(0.5, 1.0)),
        lambda: Adam(betas=(0.5,)),
        lambda: SGD(momentum=-1.0),
        lambda: SGD(nesterov=True),
        lambda: RMSprop(alpha=1.5),
        lambda: GradientClipping(0.0),
        lambda: Adam(lr=float("nan")),
    ],
)
def test_values_out_of_range_are_refused(make: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        make()


def test_adam_takes_a_gradient_in_any_layout() -> None:
    x = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    params = {"w": torch.zeros_like(x)}
    gradients = [{"w": x}, {"w": x.contiguous(memory_format=torch.channels_last)}]
    adam, found = Adam(), []
    with torch.no_grad():
        for first in gradients:
            updates, memory = adam.update(first, adam.init(params), params)
            again, _ = adam.update({"w": first["w"] ** 2}, memory, params)
            found.append((updates["w"], again["w"]))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
