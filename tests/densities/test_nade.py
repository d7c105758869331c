"""NADE: the paper's recursion by hand, and what it costs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from gan_cli.densities.nade import NADE

NONE = torch.zeros(1, dtype=torch.long)


def by_hand(model: NADE, x: list[float]) -> float:
    """ln p(x), unit by unit, each hidden layer anew from all dimensions before."""
    w, v = model.weight.tolist(), model.output_weight.tolist()
    b, c = model.output_bias.tolist(), model.hidden_bias.tolist()
    order = model.place[0].argsort().tolist()
    total = 0.0
    for t, d in enumerate(order):
        logit = b[t]
        for k in range(len(c)):
            inward = c[k] + sum(w[s][k] * x[order[s]] for s in range(t))
            logit += v[t][k] / (1 + math.exp(-inward))
        p = 1 / (1 + math.exp(-logit))
        total += math.log(p if x[d] == 1 else 1 - p)
    return total


@pytest.mark.parametrize("ordering", ["raster", "random"])
@pytest.mark.parametrize("size", [5, 16, 37])
def test_the_likelihood_is_that_of_the_plain_sum(ordering: Any, size: int) -> None:
    model = NADE((size,), 4, ordering, 2).double()
    x = torch.rand(3, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).round()
    with torch.no_grad():
        for p in model.parameters():
            p.normal_(generator=torch.Generator().manual_seed(p.numel()))
        found = model.log_prob(x, NONE)
    expected = torch.tensor([by_hand(model, row.tolist()) for row in x], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("ordering", ["raster", "random"])
def test_a_conditional_reads_all_earlier_dimensions_and_no_other(ordering: Any) -> None:
    model = NADE((40,), 6, ordering, 5).double()
    x = torch.rand(40, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    jacobian: Any = torch.autograd.functional.jacobian(lambda x: model.logits(x[None], NONE)[0], x)
    place = model.place[0]
    assert torch.equal(jacobian != 0, place[:, None] > place)


def test_orderings() -> None:
    assert NADE((1, 2, 3), 2).place[0].tolist() == [0, 1, 2, 3, 4, 5]
    first, again, other = (NADE((50,), 2, "random", seed).place[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.sort().values.tolist() == list(range(50))


class Elements(TorchDispatchMode):
    """How many numbers all operations write; views write none."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.count += sum(leaf.numel() for leaf in tree_leaves(found) if isinstance(leaf, Tensor))
        return found


def gradient(size: int, hidden: int) -> Callable[[], Any]:
    model, x = NADE((size,), hidden), torch.rand(10, size).round()
    return lambda: torch.autograd.grad(model.log_prob(x, NONE).sum(), list(model.parameters()))


def samples(size: int, hidden: int) -> Callable[[], Any]:
    model, latent = NADE((size,), hidden), torch.rand(10, size)
    return torch.no_grad()(lambda: model.generate(latent))


@pytest.mark.parametrize("work", [gradient, samples])
@pytest.mark.parametrize("larger", [(512, 64), (256, 128), (1024, 64)])
def test_operations_are_linear_in_dimensions_times_hidden_units(
    work: Callable[[int, int], Callable[[], Any]], larger: tuple[int, int]
) -> None:
    ratio = math.prod(larger) / (256 * 64)
    counts = []
    for sizes in ((256, 64), larger):
        do = work(*sizes)
        elements: Any = Elements()  # type: ignore[no-untyped-call]
        with elements, FlopCounterMode(display=False) as flops:
            do()
        counts.append((elements.count, flops.get_total_flops()))
    (elements_few, flops_few), (elements_many, flops_many) = counts
    assert elements_many == pytest.approx(ratio * elements_few, rel=0.1)
    assert flops_many == pytest.approx(ratio * flops_few, rel=0.1)
    assert flops_few > 0 or work is samples, "its products of a matrix and a vector are not counted"


def seconds(do: Callable[[], Any]) -> float:
    """Of the processor, whoever else may be using it."""
    times = []
    for _ in range(5):
        start = time.process_time()
        do()
        times.append(time.process_time() - start)
    return min(times)


def test_time_grows_with_the_dimensions_and_not_with_their_square() -> None:
    small, large = gradient(512, 64), gradient(4096, 64)
    assert seconds(large) < 20 * seconds(small), "eight times the dimensions; their square is 64 times"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"hidden": 0}, "hidden must be at least 1, got 0"),
        ({"ordering": "snake"}, "ordering must be one of raster, random, got 'snake'"),
        ({"ordering_seed": -1}, "ordering_seed must be from 0 to 2⁶³ − 1, got -1"),
        ({"shape": (1,)}, r"shape must be one of at least 2 dimensions in all, got \(1,\)"),
    ],
)
def test_refusals(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        NADE(**{"shape": (1, 2, 2), **arguments})
