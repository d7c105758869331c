"""Laws of NADE and MADE, by enumeration of small problems in float64."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from gan_cli.densities import nade
from gan_cli.densities.autoregressive import Autoregressive
from gan_cli.densities.made import MADE
from gan_cli.densities.nade import NADE

SHAPE = (1, 2, 3)
Make = Callable[[tuple[int, ...]], Autoregressive]
CASES: dict[str, Make] = {
    "nade": lambda shape: NADE(shape, 5),
    "nade-random": lambda shape: NADE(shape, 5, "random", 3),
    "made": lambda shape: MADE(shape, [7]),
    "made-random": lambda shape: MADE(shape, [7], ordering="random"),
    "made-masks": lambda shape: MADE(shape, [6], masks=3, mask_seed=2),
    "made-two-layers": lambda shape: MADE(shape, [7, 6], masks=3, ordering="random", mask_seed=1),
    "made-three-layers-direct": lambda shape: MADE(shape, [6, 5, 6], masks=2, ordering="random", direct=True),
}
every = pytest.mark.parametrize("name", CASES)


@pytest.fixture(autouse=True)
def _several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nade, "_BLOCK", 4)


def far_from_trivial(name: str, shape: tuple[int, ...] = SHAPE, seed: int = 0) -> Autoregressive:
    """The model in float64, with parameters that make its dimensions depend on each other."""
    model = CASES[name](shape).double()
    generator = torch.Generator().manual_seed(seed)
    for p in model.parameters():
        nn.init.normal_(p, std=0.9, generator=generator)
    return model


class Called(nn.Module):
    """A model whose forward is another of its methods, for torch.func."""

    def __init__(self, model: Autoregressive, method: str):
        super().__init__()
        self.model, self.method = model, method

    def forward(self, *arguments: Tensor) -> Any:
        return getattr(self.model, self.method)(*arguments)


def inputs(size: int) -> Tensor:
    """All of {0, 1}^D, [2^D, D]."""
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=size)), dtype=torch.float64)


def log_joint(model: Autoregressive, choice: int) -> tuple[Tensor, Tensor]:
    x = inputs(model.size)
    return x, model.log_prob(x.unflatten(1, model.shape), torch.full((len(x),), choice)).detach()


@every
@pytest.mark.parametrize("shape", [(2,), (1, 2, 3), (10,)])
def test_probabilities_of_all_inputs_sum_to_one_in_every_ordering(name: str, shape: tuple[int, ...]) -> None:
    model = far_from_trivial(name, shape)
    for choice in range(model.choices):
        _, found = log_joint(model, choice)
        assert found.logsumexp(0).abs() < 1e-12
        assert found.std() > 0.1, "a law far from uniform"


@every
def test_logits_are_those_of_the_joint_laws_conditionals(name: str) -> None:
    """σ(a_d(x)) = p(x_d = 1, earlier) / p(earlier), both summed up from the enumerated joint law."""
    model = far_from_trivial(name)
    for choice in range(model.choices):
        x, log_p = log_joint(model, choice)
        logits = model.logits(x, torch.tensor([choice]))
        order = model.place[choice].argsort().tolist()
        for row, t in itertools.product((5, 22, 63), range(model.size)):
            same = (x[:, order[:t]] == x[row, order[:t]]).all(1)
            one = same & (x[:, order[t]] == 1)
            expected = log_p[one].exp().sum() / log_p[same].exp().sum()
            torch.testing.assert_close(torch.sigmoid(logits[row, order[t]]), expected, rtol=1e-10, atol=0)


@every
def test_the_likelihood_averages_probabilities(name: str) -> None:
    model = far_from_trivial(name)
    x = inputs(model.size)
    each = torch.stack([log_joint(model, choice)[1].exp() for choice in range(model.choices)])
    found = model.log_likelihood(x.unflatten(1, SHAPE), (), torch.Generator(), 0)
    torch.testing.assert_close(found, each.mean(0).log(), rtol=1e-12, atol=0)
    assert not found.requires_grad


def test_the_likelihood_of_many_examples_is_worked_out_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model = far_from_trivial("made-masks")
    x = inputs(model.size).unflatten(1, SHAPE)
    whole = model.log_likelihood(x, (), torch.Generator(), 0)
    seen: list[int] = []
    plain = model.logits

    def noted(x: Tensor, choice: Tensor) -> Tensor:
        seen.append(len(x))
        return plain(x, choice)

    monkeypatch.setattr("gan_cli.densities.autoregressive._PART", 30)
    monkeypatch.setattr(model, "logits", noted)
    torch.testing.assert_close(model.log_likelihood(x, (), torch.Generator(), 0), whole)
    assert max(seen) == 30


@every
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    model = far_from_trivial(name)
    x = inputs(model.size)[::9].unflatten(1, SHAPE)
    choice = torch.full((len(x),), model.choices - 1)
    called = Called(model, "log_prob")
    names, values = zip(
        *((n, p.detach().requires_grad_()) for n, p in called.named_parameters()), strict=True
    )

    def loss(*parameters: Tensor) -> Any:
        return functional_call(called, dict(zip(names, parameters, strict=True)), (x, choice)).mean()

    assert torch.autograd.gradcheck(loss, values, eps=1e-6, atol=1e-7)


@every
def test_samples_follow_the_averaged_law(name: str) -> None:
    model = far_from_trivial(name, (4,))
    latent = model.prior.draw(torch.Generator().manual_seed(4), 20_000, torch.float64)
    x = model.generate(latent)
    assert x.shape == (20_000, 4)
    assert set(x.unique().tolist()) <= {0.0, 1.0}
    found = (x @ torch.tensor([8.0, 4.0, 2.0, 1.0], dtype=torch.float64)).long().bincount(minlength=16)
    expected = model.log_likelihood(inputs(4), (), torch.Generator(), 0).exp() * len(x)
    assert expected.min() > 5
    assert stats.chisquare(found.tolist(), expected.tolist()).pvalue > 1e-3


@every
def test_completions_keep_what_is_given_and_follow_the_conditional(name: str) -> None:
    model = far_from_trivial(name, (4,))
    uniform = torch.rand(20_000, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    order = model.place[0].argsort()
    given = torch.zeros_like(uniform)
    given[:, order[:2]] = torch.tensor([1.0, 0.0], dtype=torch.float64)
    x = model.ancestral(uniform, torch.zeros(len(uniform), dtype=torch.long), given, 2)
    assert torch.equal(x[:, order[:2]], given[:, order[:2]])
    points, log_p = log_joint(model, 0)
    rows = (points[:, order[:2]] == given[0, order[:2]]).all(1)
    expected = log_p[rows].softmax(0) * len(x)
    found = torch.stack([(x == point).all(1).sum() for point in points[rows]])
    assert stats.chisquare(found.tolist(), expected.tolist()).pvalue > 1e-3


@every
def test_an_example_depends_on_its_own_latent_alone(name: str) -> None:
    model = far_from_trivial(name)
    latent = model.prior.draw(torch.Generator().manual_seed(6), 12, torch.float64)
    assert torch.equal(model.generate(latent)[3:5], model.generate(latent[3:5]))


@every
def test_runs_side_by_side_are_runs_alone(name: str) -> None:
    """vmap over parameters, buffers, data and choices: values, gradients and samples of each run."""
    models = [Called(far_from_trivial(name, seed=seed), "log_prob") for seed in range(3)]
    params, buffers = stack_module_state(models)
    generator = torch.Generator().manual_seed(7)
    x = torch.rand(3, 5, *SHAPE, dtype=torch.float64, generator=generator).round()
    choice = torch.stack([models[0].model.draw_choice(5, generator) for _ in models])

    def loss(p: Any, b: Any, x: Tensor, choice: Tensor) -> Any:
        return functional_call(models[0], (p, b), (x, choice)).mean()

    gradients, values = vmap(grad_and_value(loss))(params, buffers, x, choice)
    for i, model in enumerate(models):
        alone = model(x[i], choice[i]).mean()
        torch.testing.assert_close(values[i], alone)
        expected = torch.autograd.grad(alone, list(model.parameters()))
        for (key, _), g in zip(model.named_parameters(), expected, strict=True):
            torch.testing.assert_close(gradients[key][i], g)
    latent = torch.stack([m.model.prior.draw(generator, 5, torch.float64) for m in models])
    models[0].method = "generate"
    together = vmap(lambda p, b, z: functional_call(models[0], (p, b), (z,)))(params, buffers, latent)
    for i, model in enumerate(models):
        assert torch.equal(together[i], model.model.generate(latent[i]))


@every
def test_completions_are_shown_beside_what_was_given(name: str) -> None:
    model = far_from_trivial(name)
    x = inputs(model.size)[::8].unflatten(1, SHAPE)
    sheet = model.exhibits(x, torch.Generator().manual_seed(8))["completions"]
    rows = sheet.images.unflatten(0, (-1, sheet.columns)).flatten(2)
    known = model.place[0] < model.size // 2
    assert torch.equal(rows[:, 0], x.flatten(1))
    assert (rows[:, 1:, known] == x.flatten(1)[:, None, known]).all()
    assert (rows[:, 1, ~known] == 0.5).all()
    assert math.isclose(rows[:, 2:].var(), rows[:, 2:].mean() * (1 - rows[:, 2:].mean()), rel_tol=0.01)
