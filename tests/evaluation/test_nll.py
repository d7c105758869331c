"""`metric=nll` of models so small that every probability can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gan_cli.data.base import Dataset, Table
from gan_cli.errors import InputError
from gan_cli.metrics import ais
from gan_cli.metrics.base import Measured, Metric, Subject
from gan_cli.observers.examples import subject
from gan_cli.run import described
from tests.test_combinations import built

Numbers = NDArray[np.float64]
PIXELS, COUNT = 9, 40
DATA = [
    *["data=fake", "data.size=3", f"data.count={COUNT}", "data.binarize=threshold"],
    *["data.pixel_range=[-1,1]", "batch_size=6", "device=cpu", "metric=[nll]"],
]
NADE = ["model=nade", "model.density.hidden=4"]
RBM = ["model=rbm", "model.density.hidden=3", "model.density.temperatures=20", "model.density.chains=30"]


class Case(NamedTuple):
    """A metric, and what it measures; tensors: all of the model's, as they are evaluated."""

    metric: Metric
    subject: Subject
    tensors: dict[str, Numbers]
    dataset: Dataset

    def at(self, step: int) -> Measured:
        return self.metric.measure(replace(self.subject, step=step))


def case(*overrides: str, precision: str = "fp64") -> Case:
    """A model with random tensors; an average of its parameters has others than it has itself."""
    made = built(*DATA, *overrides, f"runtime.precision={precision}")
    learner: Any = made.plain
    state, random = learner.init(0), torch.Generator().manual_seed(1)

    def drawn(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {name: torch.randn(x.shape, generator=random, dtype=x.dtype) for name, x in tensors.items()}

    player = state.model
    buffers = player.buffers | drawn({k: v for k, v in player.buffers.items() if k == "base"})
    player = player._replace(params=drawn(player.params), buffers=buffers)
    evaluated = player.params
    if player.terms:
        (memory,) = player.terms
        evaluated = drawn(player.params)
        player = player._replace(terms=(memory._replace(average=evaluated),))
    data = made.dataset.load()
    of = subject(described(made, Path(), data), state._replace(model=player), 0)
    tensors = {name: x.numpy() for name, x in {**evaluated, **buffers}.items()}
    return Case(made.metrics["nll"], of, tensors, made.dataset)


def bits(data: Dataset | None) -> Numbers:
    """All examples as zeros and ones, [N, D]."""
    assert data is not None
    table = data.load()
    assert isinstance(table, Table)
    return (np.asarray(table.images).reshape(COUNT, PIXELS) > 127).astype(np.float64)


def sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def nade(tensors: dict[str, Numbers], x: Numbers) -> float:
    """−ln p(x) as a product of conditionals."""
    p = 1.0
    for d, bit in enumerate(x):
        hidden = sigmoid(tensors["hidden_bias"] + x[:d] @ tensors["weight"][:d])
        on = sigmoid(tensors["output_bias"][d] + tensors["output_weight"][d] @ hidden)
        p *= on if bit else 1 - on
    return float(-np.log(p))


def rbm(tensors: dict[str, Numbers], x: Numbers) -> Numbers:
    """−ln p(x) by sums over all states of all units, [N, D] -> [N]."""

    def mass(v: Numbers) -> Numbers:
        h = states(len(tensors["hidden_bias"]))
        visible = v @ (tensors["visible_bias"] + tensors["base"])
        joint = visible[:, None] + h @ tensors["hidden_bias"] + v @ tensors["weight"].T @ h.T
        summed: Numbers = np.exp(joint).sum(1)
        return summed

    found: Numbers = np.log(mass(states(PIXELS)).sum()) - np.log(mass(x))
    return found


def states(units: int) -> Numbers:
    """All vectors of zeros and ones, [2^units, units]."""
    return np.array(np.meshgrid(*[[0.0, 1.0]] * units)).reshape(units, -1).T


def error(x: Numbers) -> float:
    """The standard error of a mean."""
    return float(np.std(x, ddof=1) / len(x) ** 0.5)


@pytest.mark.parametrize("trick", [[], ["trick=[ema]"]], ids=["", "averaged"])
def test_of_an_exact_model_it_is_the_mean_over_unseen_examples_and_over_training_ones(
    trick: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gan_cli.evaluation.nll._AT_ONCE", 7)
    one = case(*NADE, *trick, "metric.nll.test=null")
    unseen, real = (
        np.array([nade(one.tensors, x) for x in bits(data)]) for data in (one.dataset.held_out(), one.dataset)
    )
    found = one.at(0)
    assert found.per_example["nll"].numpy() == pytest.approx(unseen, rel=1e-10)
    expected = {
        "nll": unseen.mean(),
        "nll_error": error(unseen),
        "nll_training": real.mean(),
        "nll_training_error": error(real),
    }
    assert {name: x.item() for name, x in found.values.items()} == pytest.approx(expected, rel=1e-10)
    assert unseen.mean() != pytest.approx(real.mean(), rel=1e-3)


def test_of_fewer_examples_each_is_another_one() -> None:
    one = case(*NADE, "metric.nll.test=7", "metric.nll.reference=0")
    every = {round(nade(one.tensors, x), 8) for x in bits(one.dataset.held_out())}
    first, again = (one.at(step).per_example["nll"].numpy() for step in (0, 1))
    for taken in (first, again):
        assert len({round(float(x), 8) for x in taken} & every) == 7
    assert not np.array_equal(first, again)
    values = one.at(0).values
    assert values.keys() == {"nll", "nll_error"}
    assert values["nll_error"].item() == pytest.approx(error(first), rel=1e-10)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_is_in_whole_precision_whatever_the_rounds_are_played_in(precision: str) -> None:
    one = case(*NADE, "metric.nll.test=null", precision=precision)
    exact = [nade(one.tensors, x) for x in bits(one.dataset.held_out())]
    assert one.at(0).per_example["nll"].numpy() == pytest.approx(exact, rel=1e-5)


SIZES = {500: 30, 10: 10}
"""Samples that are asked for of a machine with thirty chains, and how many it takes."""


@pytest.mark.parametrize("samples", SIZES)
def test_of_a_machine_its_error_has_a_share_of_the_normalising_constants(samples: int) -> None:
    one = case(*RBM, "metric.nll.test=null", f"metric.nll.samples={samples}")
    tensors = {name: torch.from_numpy(x) for name, x in one.tensors.items()}
    machine = ais.Machine(
        tensors["weight"], tensors["hidden_bias"], tensors["visible_bias"] + tensors["base"]
    )
    stream = one.subject.streams.at("nll", 3)
    weights = ais.log_weights(machine, tensors["base"], ais.temperatures(20), SIZES[samples], stream)
    scaled = (weights - weights.max()).exp().numpy()
    found = {name: x.item() for name, x in one.at(3).values.items()}
    for name, data in (("nll", one.dataset.held_out()), ("nll_training", one.dataset)):
        shifted = rbm(one.tensors, bits(data))
        together = np.hypot(error(shifted), error(scaled) / scaled.mean())
        assert found[f"{name}_error"] == pytest.approx(together, rel=1e-8)
        assert together > 1.001 * error(shifted)


def test_of_a_machine_it_is_off_the_sum_over_all_states_by_what_that_share_says() -> None:
    one = case(*RBM, "metric.nll.test=null", "metric.nll.reference=0")
    exact = rbm(one.tensors, bits(one.dataset.held_out()))
    scores = []
    for step in range(40):
        found = one.at(step)
        off = found.per_example["nll"].numpy() - exact
        assert off == pytest.approx(np.full(COUNT, off[0]), abs=1e-9)
        share = found.values["nll_error"].item() ** 2 - error(exact) ** 2
        assert share > 0
        scores.append(off[0] / share**0.5)
    assert 0.7 < np.mean(np.square(scores)) ** 0.5 < 1.4


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ([*NADE, "metric.nll.samples=500"], "1000 unseen examples and its standard error; exact"),
        ([*RBM, "metric.nll.samples=500"], "by 30 runs of annealed importance sampling at 20 temperatures"),
        ([*RBM, "metric.nll.samples=10"], "by 10 runs of annealed importance sampling at 20 temperatures"),
        (["model=vae", "metric.nll.samples=500"], "; a bound by 500 importance samples"),
    ],
)
def test_it_says_how_many_samples_are_taken(overrides: list[str], said: str) -> None:
    assert built(*DATA, *overrides).metrics["nll"].about.endswith(said)


def test_a_density_is_told_from_a_probability() -> None:
    gaussian = ["model=vae", "model.density.decoder=gaussian"]
    with pytest.raises(InputError, match=r"take model\.density\.decoder=bernoulli"):
        built(*DATA, *gaussian)
    about = built(*DATA, *gaussian, "data.binarize=none").metrics["nll"].about
    assert about.endswith("of a density over pixels in [0, 1]")
    about = built("data=ring", "metric=[nll]", "device=cpu", *gaussian).metrics["nll"].about
    assert about.endswith("of a density")
