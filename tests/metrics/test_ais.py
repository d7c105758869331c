"""Annealed importance sampling against the sum over all states."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gan_cli.metrics import ais
from tests.densities.small_rbm import log_joint, small


def ends(found: ais.LogPartition) -> tuple[Tensor, Tensor]:
    """ln(Z − 3σ), ln(Z + 3σ), the interval that the paper states."""
    low, high = (torch.log1p(sign * 3 * found.error) for sign in (-1, 1))
    return found.value + low, found.value + high


def exact(model: object) -> Tensor:
    return torch.logsumexp(log_joint(model).detach().flatten(), 0)  # type: ignore[arg-type]


def weights(model: object, count: int, chains: int, seed: int = 0) -> Tensor:
    machine = ais.Machine(model.weight, model.hidden_bias, model.visible_bias + model.base)  # type: ignore[attr-defined]
    generator = torch.Generator().manual_seed(seed)
    return ais.log_weights(machine, model.base, ais.temperatures(count), chains, generator)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("visible", "hidden", "scale"), [(6, 5, 0.5), (8, 8, 1.0), (10, 7, 1.5)])
def test_the_interval_holds_the_exact_constant(visible: int, hidden: int, scale: float) -> None:
    for seed in range(4):
        model = small(visible, hidden, scale, seed)
        found = ais.log_partition(weights(model, 300, 200, seed))
        low, high = ends(found)
        assert low < exact(model) < high
        assert high - low < 1
        assert abs(float(found.value - exact(model))) < 0.2


def test_few_temperatures_are_unbiased_and_wider() -> None:
    """E w = Z at any number of temperatures; more of them narrow ln w."""
    model = small(6, 5, 1.0)
    few, many = weights(model, 3, 20_000), weights(model, 300, 500)
    found = ais.log_partition(few)
    low, high = ends(found)
    assert low < exact(model) < high
    assert few.std() > 2 * many.std()


def test_the_base_machine_is_exact() -> None:
    """Without weights and with the base's biases every weight is Z, (1 + e^a)… · 2^H."""
    zero = torch.zeros(3, 4, dtype=torch.float64)
    base = torch.tensor([-2.0, 0.0, 1.0, 3.0], dtype=torch.float64)
    machine = ais.Machine(zero, zero[:, 0], base)
    found = ais.log_weights(machine, base, ais.temperatures(20), 5, torch.Generator().manual_seed(0))
    expected = torch.log1p(base.exp()).sum() + 3 * math.log(2)
    torch.testing.assert_close(found, expected.repeat(5))


def test_temperatures_of_the_paper() -> None:
    betas = ais.temperatures()
    assert len(betas) == 14_501
    steps = betas.diff()
    for start, end, step in ((0, 500, 0.5 / 500), (500, 4500, 0.4 / 4000), (4500, 14_500, 0.1 / 10_000)):
        torch.testing.assert_close(steps[start:end], torch.full((end - start,), step, dtype=betas.dtype))
    assert ais.temperatures(3).tolist() == [0, 0.5, 0.9, 1]
    assert all(len(ais.temperatures(n)) == n + 1 for n in (4, 29, 100, 1450))
    with pytest.raises(ValueError, match="count must be at least 3, got 2"):
        ais.temperatures(2)


def test_a_mean_of_weights_and_its_error() -> None:
    """Z = 3 from weights 2 and 4 has σ = 1. In logarithms alone: a shift moves the value and no error."""
    log_w = torch.tensor([2.0, 4.0], dtype=torch.float64).log()
    found = ais.log_partition(log_w)
    torch.testing.assert_close(torch.stack(found), torch.tensor([math.log(3), 1 / 3]).double())
    many, shifted = (ais.log_partition(log_w.repeat(10) + shift) for shift in (0, 5000))
    torch.testing.assert_close(shifted.value - 5000, found.value)
    torch.testing.assert_close(shifted.error, many.error)
    assert ais.log_partition(log_w[:1]).error == math.inf


def test_base_rates() -> None:
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    torch.testing.assert_close(ais.base_rates(x).sigmoid(), torch.tensor([3 / 5, 1 / 5]))
