"""Sums of latents: how they are written, who is in them, and what they come to."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gan_cli.errors import InputError
from gan_cli.sampling import arithmetic
from gan_cli.sampling.draws import Part
from gan_cli.sampling.expression import Label, Numbers, members, shown, terms


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a - b + c", {"a": 1.0, "b": -1.0, "c": 1.0}),
        ("a", {"a": 1.0}),
        ("-a+2b", {"a": -1.0, "b": 2.0}),
        (".5*d - 1.5 c", {"d": 0.5, "c": -1.5}),
    ],
)
def test_sums(text: str, found: dict[str, float]) -> None:
    assert terms(text) == found
    assert terms(shown(found)) == found


@pytest.mark.parametrize("text", ["", "a b", "a +", "a - e", "a + a", "3", "a * b", "a - (b)", "label:3"])
def test_what_is_no_sum(text: str) -> None:
    with pytest.raises(InputError, match="expression="):
        terms(text)


def test_members() -> None:
    assert members("a", [3, 1]) == Numbers((3, 1))
    assert members("a", "7") == Numbers((7,))
    assert members("c", "label: 8 ") == Label("8")
    for wrong in (None, [], "", "lable:3", "label:", [-1], [1, 1], [100_000]):
        with pytest.raises(InputError, match="^a"):
            members("a", wrong)


def test_a_sum_of_three_means_of_three_has_the_priors_variance() -> None:
    z = torch.randn(9, 4000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    groups = {"a": z[:3], "b": z[3:6], "c": z[6:]}
    total = arithmetic.combined(terms("a - b + c"), groups)
    torch.testing.assert_close(total, (z[:3].sum(0) - z[3:6].sum(0) + z[6:].sum(0)) / 3)
    assert float(total.var()) == pytest.approx(1, abs=0.1)


def test_what_stands_around_the_result() -> None:
    z = torch.randn(200, generator=torch.Generator().manual_seed(0))
    nine = arithmetic.surrounded(z, 0.25, torch.Generator().manual_seed(1))
    assert torch.equal(nine[4], z)
    away = (nine - z).abs().amax(1)
    assert 0.2 < float(away[0]) <= 0.25
    assert len(nine.unique(dim=0)) == 9
    assert torch.equal(arithmetic.surrounded(z, 0.0, torch.Generator()), z.expand(9, -1))
    with pytest.raises(ValueError, match="noise must be at least 0"):
        arithmetic.surrounded(z, -1, torch.Generator())


def parts() -> list[Part]:
    x = torch.arange(20.0)[:, None]
    return [Part(x[i : i + 8], x[i : i + 8]) for i in range(0, 20, 8)]


def test_chosen_samples_keep_their_order() -> None:
    assert arithmetic.chosen(parts(), [17, 3, 8]).latents.flatten().tolist() == [17, 3, 8]


def logits(x: Tensor) -> Tensor:
    """Class i mod 3 for sample i, with a probability above 0.9 where i is even."""
    number = x[:, 0].long()
    scale = torch.where(number % 2 == 0, 10.0, 1.0)
    return torch.nn.functional.one_hot(number % 3, 3) * scale[:, None]


def test_labelled_samples_are_the_first_sure_ones() -> None:
    found = arithmetic.labelled(parts(), logits, {"a": 0, "b": 2}, 3, 0.9)
    assert found == {"a": [0, 6, 12], "b": [2, 8, 14]}
    assert arithmetic.labelled(parts(), logits, {"a": 0}, 4, 0.0)["a"] == [0, 3, 6, 9]
    with pytest.raises(InputError, match="a=label:0: of 20 samples the classifier takes 4"):
        arithmetic.labelled(parts(), logits, {"a": 0}, 5, 0.9)
