"""Negative log-likelihood of the models that know theirs."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gan_cli.criteria.nll import NegativeLogLikelihood
from gan_cli.densities.made import MADE
from gan_cli.densities.nade import NADE

SHAPE = (1, 2, 3)


@pytest.mark.parametrize("model", [NADE(SHAPE, 4), MADE(SHAPE, [8], masks=3)], ids=["nade", "made"])
def test_the_loss_is_the_mean_in_nats_under_the_choice_drawn(model: Any) -> None:
    criterion, generator = NegativeLogLikelihood(), torch.Generator().manual_seed(0)
    criterion.check(model)
    x = torch.rand(5, *SHAPE, generator=generator).round()

    def call(method: str, *arguments: Tensor) -> Any:
        return getattr(model, method)(*arguments)

    seen = set()
    for _ in range(20):
        noise = criterion.draw(model, 5, generator, torch.float32)
        assert noise.shape == (5,)
        value = criterion.value(call, x, (), (), noise)
        expected = -model.log_prob(x, noise).mean()
        torch.testing.assert_close(value.loss, expected)
        torch.testing.assert_close(value.shown["bits_per_dim"], expected / 6 / math.log(2))
        assert value.loss.requires_grad
        assert not value.shown["bits_per_dim"].requires_grad
        seen.add(value.loss.item())
    assert len(seen) == model.choices


def test_a_fair_coin_costs_a_bit_a_dimension() -> None:
    model, criterion = NADE(SHAPE, 4), NegativeLogLikelihood()
    nn.init.zeros_(model.output_weight)
    x = torch.tensor([[1.0, 0, 1, 1, 0, 0]]).reshape(1, *SHAPE)
    found = criterion.value(lambda method, *a: getattr(model, method)(*a), x, (), (), torch.tensor([0]))
    assert found.loss.item() == pytest.approx(6 * math.log(2))
    assert found.shown["bits_per_dim"].item() == pytest.approx(1)


def test_a_model_without_a_likelihood_is_refused() -> None:
    criterion = NegativeLogLikelihood()
    said = r"^model must be one that knows its likelihood \(nade, made\), got Linear$"
    with pytest.raises(ValueError, match=said):
        criterion.check(nn.Linear(2, 1))
    with pytest.raises(ValueError, match=said):
        criterion.draw(nn.Linear(2, 1), 3, torch.Generator(), torch.float32)
