"""Transforms that tricks put around an optimiser: against torch.optim, by hand, and on the bilinear game."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_map

from gan_cli.dynamics import Alternating, Extragradient, Order, Simultaneous
from gan_cli.errors import InputError
from gan_cli.streams import Streams
from gan_cli.transforms.adam import Adam, AdamW
from gan_cli.transforms.base import Transform, apply, chain
from gan_cli.transforms.optimistic import Optimistic
from gan_cli.transforms.rmsprop import RMSprop
from gan_cli.transforms.sgd import SGD
from gan_cli.transforms.ttur import TTUR
from gan_cli.transforms.weight_clipping import WeightClipping
from gan_cli.tricks import Tricks
from gan_cli.types import Params, Tree
from tests.games import CPU, Cloud, small_game
from tests.laws.bilinear import bilinear, distance
from tests.laws.rounds import POINTS, assert_an_ensemble_is_its_runs, assert_same, game, trained
from tests.test_combinations import built

OPTIMISERS: list[Any] = [Adam, AdamW, SGD, RMSprop]


def start() -> Params:
    g = torch.Generator().manual_seed(0)
    return {"a": torch.randn(3, 4, generator=g).double(), "b": torch.randn(5, generator=g).double()}


def slope(params: Params) -> Params:
    return {k: torch.cos(3 * p) + p for k, p in params.items()}


def path(transform: Transform, params: Params, steps: int = 10) -> Params:
    memory = transform.init(params)
    for _ in range(steps):
        updates, memory = transform.update(slope(params), memory, params)
        params = apply(params, updates)
    return params


def around(trick: Transform, optimiser: Transform, side: Any = "critic") -> Transform:
    tricks = Tricks()
    tricks.add("trick", trick)
    return tricks.chained(optimiser, side)


@pytest.mark.parametrize("trick", ["weight_clipping", "ttur", "optimistic"])
def test_an_ensemble_is_its_runs(trick: str) -> None:
    assert_an_ensemble_is_its_runs(game(POINTS, f"trick=[{trick},unrolled]", "trick.unrolled.steps=1"))


@pytest.mark.parametrize("unit", ["weight_clipping.c=1e6", "ttur.ratio=1"])
def test_the_unit_changes_nothing_but_rounding(unit: str) -> None:
    name = unit.partition(".")[0]
    assert_same(trained(game(POINTS), 3), trained(game(POINTS, f"trick=[{name}]", f"trick.{unit}"), 3))


# --- two time scales --------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_ttur_is_a_faster_critic(optimiser: Any) -> None:
    slow, fast = optimiser(lr=1e-2), optimiser(lr=4e-2)
    assert_same(path(around(TTUR(4.0), slow), start()), path(fast, start()), rtol=0.0)
    assert_same(path(around(TTUR(4.0), slow, "generator"), start()), path(slow, start()), rtol=0.0)


# --- weight clipping --------------------------------------------------------------------------------------


@pytest.mark.parametrize("c", [0.05, 10.0])
def test_clipping_equals_a_torch_loop(c: float) -> None:
    """As the WGAN paper's algorithm 1: RMSprop, then clip."""
    leaves = {k: p.clone() for k, p in start().items()}
    optimiser = torch.optim.RMSprop(list(leaves.values()), 1e-2)
    for _ in range(10):
        for k, g in slope(leaves).items():
            leaves[k].grad = g
        optimiser.step()
        for p in leaves.values():
            p.clamp_(-c, c)
    assert_same(path(around(WeightClipping(c), RMSprop(lr=1e-2)), start()), leaves, rtol=1e-12)


@dataclass
class Spy:
    """Remembers where each update led."""

    inner: Transform
    farthest: list[float]

    def init(self, params: Params) -> Tree:
        return self.inner.init(params)

    def update(self, gradients: Params, memory: Tree, params: Params) -> tuple[Params, Tree]:
        updates, memory = self.inner.update(gradients, memory, params)
        ends = apply(params, updates)
        self.farthest.append(max(p.detach().abs().max().item() for p in ends.values()))
        return updates, memory


@pytest.mark.parametrize(("order", "unroll"), [(Alternating(), 0), (Alternating(), 3), (Extragradient(), 0)])
def test_every_move_of_the_critic_ends_within_c(order: Order, unroll: int) -> None:
    tricks, seen = Tricks(), list[float]()
    for name, trick in {"weight_clipping": WeightClipping(0.02), "optimistic": Optimistic()}.items():
        tricks.add(name, trick)
    transform = Spy(tricks.chained(SGD(lr=0.1), "critic"), seen)
    made = replace(small_game(unroll=unroll, critic_transform=transform, critic_steps=2), order=order)
    state, streams = made.init(0), Streams(0, CPU)
    for step in range(4):
        state, _ = made.play(state, made.draw(step, Cloud(), streams))
    assert len(seen) == 4 * (2 + unroll + isinstance(order, Extragradient))
    assert max(seen) == pytest.approx(0.02, rel=1e-12)
    assert max(p.abs().max() for p in state.generator.params.values()) > 0.1


# --- optimism ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_optimistic_equals_a_loop_by_hand(optimiser: Any) -> None:
    """θₜ = θₜ₋₁ + 2uₜ − uₜ₋₁ with u₀ = 0, the updates u from torch.optim."""
    kinds: dict[Any, Any] = {
        Adam: lambda p: torch.optim.Adam(p, 1e-2, betas=(0.5, 0.999)),
        AdamW: lambda p: torch.optim.AdamW(p, 1e-2, betas=(0.5, 0.999), weight_decay=0.01),
        SGD: lambda p: torch.optim.SGD(p, 1e-2),
        RMSprop: lambda p: torch.optim.RMSprop(p, 1e-2),
    }
    params = start()
    leaves = {k: p.clone() for k, p in params.items()}
    theirs = kinds[optimiser](list(leaves.values()))
    last = {k: torch.zeros_like(p) for k, p in params.items()}
    for _ in range(10):
        for k, p in leaves.items():
            p.copy_(params[k])
            p.grad = slope(params)[k]
        theirs.step()
        update = {k: p - params[k] for k, p in leaves.items()}
        params = {k: p + 2 * update[k] - last[k] for k, p in params.items()}
        last = update
    assert_same(path(around(Optimistic(), optimiser(lr=1e-2)), start()), params)


def test_steady_updates_stay_what_they_are() -> None:
    transform, params = chain(SGD(lr=0.5), Optimistic()), start()
    memory, gradients = transform.init(params), slope(params)
    first, memory = transform.update(gradients, memory, params)
    second, _ = transform.update(gradients, memory, params)
    for k, g in gradients.items():
        torch.testing.assert_close(first[k], -g)  # there is no past: twice the step
        torch.testing.assert_close(second[k], -0.5 * g)


def test_on_the_bilinear_game_only_looking_ahead_converges() -> None:
    """Eigenvalues 1 ± iη diverge; the extragradient's are 1 − η² ± iη."""
    eta, rounds = 0.2, 200
    size = math.sqrt(2)
    diverged = distance(bilinear(Simultaneous(), rate=eta, rounds=rounds))
    assert diverged == pytest.approx(size * abs(complex(1, eta)) ** rounds, rel=1e-9)
    ahead = distance(bilinear(Extragradient(), rate=eta, rounds=rounds))
    assert ahead == pytest.approx(size * abs(complex(1 - eta**2, eta)) ** rounds, rel=1e-9)
    assert ahead < 0.05
    x, y, past = 1.0, 1.0, (0.0, 0.0)
    for _ in range(rounds):
        u = (eta * y, -eta * x)
        x, y, past = x + 2 * u[0] - past[0], y + 2 * u[1] - past[1], u
    optimistic = bilinear(Simultaneous(), [Optimistic()], eta, rounds)
    assert optimistic.generator.params["x"].item() == pytest.approx(x, rel=1e-9)
    assert optimistic.critic.params["y"].item() == pytest.approx(y, rel=1e-9)
    assert distance(optimistic) < 0.05


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda: TTUR(0.0), lambda: WeightClipping(-1.0)])
def test_values_out_of_range_are_refused(make: Any) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        make()


def test_a_rate_and_a_bound_may_be_a_tensor_of_each_run() -> None:
    params, values = start(), torch.tensor([0.5, 2.0], dtype=torch.float64)
    for kind in (TTUR, WeightClipping):
        together = torch.vmap(lambda v, kind=kind: path(chain(SGD(), kind(v)), params, 3))(values)
        for i, value in enumerate(values.tolist()):
            assert_same(tree_map(lambda x, i=i: x[i], together), path(chain(SGD(), kind(value)), params, 3))


def test_two_ways_to_look_ahead_are_refused() -> None:
    with pytest.raises(InputError, match="extragradient,optimistic"):
        built(*POINTS, "trick=[optimistic,extragradient]")
