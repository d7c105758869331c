"""MADE: its masks, its units by hand, and what a sample costs."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gan_cli.densities.made import MADE

CONFIGURATIONS = [
    {"hidden": hidden, "masks": masks, "ordering": ordering, "direct": direct}
    for hidden, masks, ordering, direct in itertools.product(
        ([9], [9, 8], [7, 9, 8]), (1, 4), ("raster", "random"), (False, True)
    )
]
configurations = pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=str)


def made(configuration: dict[str, Any], size: int = 6, seed: int = 0) -> MADE:
    """Float64, all parameters random."""
    model = MADE((size,), **configuration, mask_seed=seed).double()
    generator = torch.Generator().manual_seed(seed)
    for p in model.parameters():
        nn.init.normal_(p, generator=generator)
    return model


def degrees(model: MADE, choice: int) -> list[list[int]]:
    """Of the inputs, then of each hidden layer."""
    hidden = [model.get_buffer(f"degree_{n}")[choice].tolist() for n in range(len(model.layers))]
    return [(model.place[choice] + 1).tolist(), *hidden]


def by_hand(model: MADE, choice: int, x: list[float]) -> list[float]:
    """The logits of one example, connection by connection."""
    inputs, *hidden = degrees(model, choice)
    h, below = x, inputs
    for layer, degree in zip(model.layers, hidden, strict=True):
        w, b = layer.weight.tolist(), layer.bias.tolist()  # type: ignore[operator]
        sums = [
            b[k] + sum(w[k][i] * h[i] for i in range(len(h)) if degree[k] >= below[i])
            for k in range(len(degree))
        ]
        h, below = [max(0.0, s) for s in sums], degree
    v, c = model.output.weight.tolist(), model.output.bias.tolist()
    a = [
        c[d] + sum(v[d][k] * h[k] for k in range(len(h)) if inputs[d] > below[k]) for d in range(len(inputs))
    ]
    if model.direct is not None:
        u = model.direct.weight.tolist()
        for d, e in itertools.product(range(len(a)), repeat=2):
            a[d] += u[d][e] * x[e] * (inputs[d] > inputs[e])
    return a


def jacobian(model: MADE, choice: int, x: Tensor) -> Tensor:
    index = torch.tensor([choice])
    found: Any = torch.autograd.functional.jacobian(lambda x: model.logits(x[None], index)[0], x)
    return found  # type: ignore[no-any-return]


@configurations
def test_logits_are_those_of_the_units_one_by_one(configuration: dict[str, Any]) -> None:
    model = made(configuration)
    x = torch.rand(model.size, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).round()
    for choice in range(model.choices):
        found = model.logits(x[None], torch.tensor([choice]))[0]
        expected = torch.tensor(by_hand(model, choice, x.tolist()), dtype=torch.float64)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@configurations
def test_under_every_mask_a_conditional_reads_earlier_dimensions_alone(configuration: dict[str, Any]) -> None:
    generator = torch.Generator().manual_seed(2)
    for seed in range(3):
        model = made(configuration, seed=seed)
        for choice in range(model.choices):
            earlier = model.place[choice][:, None] > model.place[choice]
            reads = torch.zeros(model.size, model.size, dtype=torch.bool)
            for _ in range(4):
                x = torch.randn(model.size, dtype=torch.float64, generator=generator)
                reads |= jacobian(model, choice, x) != 0
            assert not reads[~earlier].any()
            assert reads.any()
            if configuration["direct"]:
                assert torch.equal(reads, earlier)


@pytest.mark.parametrize("ordering", ["raster", "random"])
def test_wide_layers_read_every_earlier_dimension(ordering: str) -> None:
    """With units of each degree in both layers nothing is lost; biases keep all of them switched on."""
    model = made({"hidden": [200, 200], "masks": 2, "ordering": ordering})
    for layer in model.layers:
        nn.init.constant_(layer.bias, 1e3)  # type: ignore[arg-type]
    for choice in range(2):
        earlier = model.place[choice][:, None] > model.place[choice]
        found = jacobian(model, choice, torch.rand(model.size, dtype=torch.float64))
        assert torch.equal(found != 0, earlier)


@configurations
def test_degrees_lie_between_the_least_below_and_the_last_but_one(configuration: dict[str, Any]) -> None:
    model = made(configuration)
    for choice in range(model.choices):
        inputs, *hidden = degrees(model, choice)
        assert sorted(inputs) == list(range(1, model.size + 1))
        assert (inputs == sorted(inputs)) == (configuration["ordering"] == "raster")
        for below, degree in itertools.pairwise([inputs, *hidden]):
            assert min(below) <= min(degree)
            assert max(degree) <= model.size - 1


def test_degrees_are_uniform_and_differ_between_masks() -> None:
    model = MADE((5,), [4000, 4000], masks=2)
    for number in (0, 1):
        table = model.get_buffer(f"degree_{number}")
        assert not torch.equal(table[0], table[1])
        counts = table.flatten().bincount(minlength=6)[1:5]
        assert counts.sum() == 8000
        torch.testing.assert_close(counts.double(), torch.full((4,), 2000.0).double(), rtol=0, atol=150)


def test_masks_are_a_function_of_their_seed() -> None:
    first, again, other = (MADE((6,), [9], 2, "random", mask_seed=seed) for seed in (1, 1, 2))
    torch.manual_seed(99)
    for name, table in first.named_buffers():
        assert torch.equal(table, again.get_buffer(name))
        assert not torch.equal(table, other.get_buffer(name))


def test_a_batch_is_seen_under_one_mask_and_all_have_their_turn() -> None:
    model, generator = MADE((6,), [9], masks=4), torch.Generator().manual_seed(0)
    drawn = torch.stack([model.draw_choice(3, generator) for _ in range(2000)])
    assert drawn.shape == (2000, 3)
    assert (drawn == drawn[:, :1]).all()
    counts = drawn[:, 0].bincount(minlength=4).double()
    torch.testing.assert_close(counts, torch.full((4,), 500.0).double(), rtol=0, atol=80)


def test_samples_choose_their_masks_by_their_latents() -> None:
    """Ancestral sampling by full passes under each example's own mask gives the same samples."""
    model = made({"hidden": [9, 8], "masks": 4, "ordering": "random", "direct": True})
    latent = model.prior.draw(torch.Generator().manual_seed(3), 40, torch.float64)
    x = model.generate(latent)
    uniform = (latent + 1) / 2
    seen = set()
    for row, u in zip(x, uniform, strict=True):
        choice = math.floor(u[-1] * 4)
        seen.add(choice)
        expected = torch.zeros(model.size, dtype=torch.float64)
        for d in model.place[choice].argsort().tolist():
            p = torch.sigmoid(model.logits(expected[None], torch.tensor([choice]))[0, d])
            expected[d] = u[d] < p
        assert torch.equal(row, expected)
    assert seen == {0, 1, 2, 3}


def test_sampling_multiplies_less_than_a_pass_a_dimension() -> None:
    model = MADE((64,), [32, 16])
    with torch.no_grad(), FlopCounterMode(display=False) as sampling:
        model.generate(torch.zeros(2, 64))
    with torch.no_grad(), FlopCounterMode(display=False) as one_pass:
        model.log_prob(torch.zeros(2, 64), torch.zeros(2, dtype=torch.long))
    assert sampling.get_total_flops() < 64 * one_pass.get_total_flops() / 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"hidden": []}, r"hidden must be a list of at least one width, got \[\]"),
        ({"hidden": [5, 0]}, "hidden must be at least 1, got 0"),
        ({"masks": 0}, "masks must be at least 1, got 0"),
        ({"ordering": "snake"}, "ordering must be one of raster, random, got 'snake'"),
        ({"mask_seed": -1}, "mask_seed must be from 0 to 2⁶³ − 1, got -1"),
        ({"shape": (1,)}, r"shape must be one of at least 2 dimensions in all, got \(1,\)"),
    ],
)
def test_refusals(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        MADE(**{"shape": (1, 2, 2), **arguments})
