"""Laws that every yaml of configs/loss obeys, in every option."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hydra.utils import get_class
from omegaconf import OmegaConf
from scipy import stats
from torch import Tensor

from gan_cli.losses.base import Loss, SeparableLoss
from gan_cli.losses.fgan import FGAN
from gan_cli.losses.wgan import WGAN
from tests.laws.cases import (
    FAKE,
    FOLDER,
    REAL,
    YAMLS,
    assert_pointwise_best,
    best,
    double,
    every,
    every_critic,
    optimal,
    parts,
    players,
    separable,
)
from tests.laws.integrals import (
    TRUTH,
    Gaussians,
    by_definition,
    expected_bound,
    pairs,
)


@pytest.mark.parametrize("yaml", YAMLS, ids=lambda yaml: yaml.stem)
def test_yaml_names_every_argument_with_its_default(yaml: Path) -> None:
    config = OmegaConf.to_container(OmegaConf.load(yaml))
    assert isinstance(config, dict)
    for node in [config, *(value for value in config.values() if isinstance(value, dict))]:
        arguments = inspect.signature(get_class(node["_target_"])).parameters
        assert set(node) - {"_target_"} == set(arguments)
        for name, argument in arguments.items():
            # Which form of the generator trains best depends on the divergence: its yaml says.
            assert name == "generator" or argument.default in (inspect.Parameter.empty, node[name])


def test_every_yaml_has_its_row_in_the_docs() -> None:
    page = (FOLDER.parents[1] / "docs" / "losses.md").read_text(encoding="utf-8")
    assert [yaml.stem for yaml in YAMLS if f"\n| `{yaml.stem}`" not in page] == []


@every
def test_losses_are_one_number_an_example_and_pure(loss: Loss) -> None:
    before = REAL.clone(), FAKE.clone()
    for player in players(loss):
        values = player(REAL, FAKE)
        assert values.shape == REAL.shape
        assert values.dtype == REAL.dtype
        assert player(REAL.float(), FAKE.float()).dtype == torch.float32
        one = player(REAL[1:2], FAKE[1:2])
        torch.testing.assert_close(one, values[1:2])
    assert torch.equal(REAL, before[0])
    assert torch.equal(FAKE, before[1])
    if not loss.paired:  # then the generator sees its own scores only
        torch.testing.assert_close(loss.generator(FAKE, FAKE), loss.generator(REAL, FAKE), rtol=0, atol=0)


@every
def test_first_and_second_gradients_against_finite_differences(loss: Loss) -> None:
    for part in parts(loss):
        for score in torch.cat([REAL, FAKE]).split(
            1
        ):  # one by one: values may differ by 20 orders of magnitude
            v = score.clone().requires_grad_()
            size = part(score).abs().item()
            assert torch.autograd.gradcheck(part, v, rtol=1e-5, atol=1e-8 * (1 + size))
            assert torch.autograd.gradgradcheck(part, v, rtol=1e-4, atol=1e-6 * (1 + size))


@every
def test_vmap_of_grad_is_the_gradient(loss: Loss) -> None:
    for player in players(loss):
        real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
        wanted = torch.autograd.grad(player(real, fake).sum(), (real, fake), allow_unused=True)
        found = torch.vmap(torch.func.grad(lambda r, f, player=player: player(r, f), (0, 1)))(REAL, FAKE)
        for want, got in zip(wanted, found, strict=True):
            torch.testing.assert_close(got, torch.zeros_like(got) if want is None else want)


@every
def test_float32_is_finite_wherever_the_truth_is_representable(loss: Loss) -> None:
    """Value, first and second derivative for scores in [-60, 60], against float64."""
    score = torch.linspace(-60, 60, 241, dtype=torch.float64)
    for part in parts(loss):
        first = torch.func.grad(part)
        for function, largest in ((part, 3.3e38), (first, 3.3e38), (torch.func.grad(first), 1e36)):
            wide, narrow = torch.vmap(function)(score), torch.vmap(function)(score.float()).double()
            fits = wide.abs() < largest
            torch.testing.assert_close(narrow[fits], wide[fits], rtol=1e-3, atol=3e-6)
            assert function is not part or not narrow.isnan().any()


@optimal
@pairs
def test_bound_at_the_best_critic_is_the_divergence(loss: Loss, pair: Gaussians) -> None:
    truths = [TRUTH[loss.divergence_name](pair)] if loss.divergence_name in TRUTH else []
    if isinstance(loss, FGAN):
        truths.append(by_definition(loss.divergence, pair))
    assert truths, f"the integral of {loss.divergence_name} is not in TRUTH: add it"
    found = expected_bound(loss, pair, best(loss))
    for truth in truths:
        assert found == pytest.approx(truth, rel=1e-6)


@optimal
@pairs
def test_no_other_critic_gets_more(loss: Loss, pair: Gaussians) -> None:
    most = expected_bound(loss, pair, best(loss))
    others: list[Callable[[Tensor], Tensor]] = [
        lambda rho: best(loss)(0.9 * rho),
        lambda rho: best(loss)(rho + 0.1 * torch.sin(2 * rho)),
        lambda rho: best(loss)(torch.full_like(rho, 0.05)),
        lambda rho: best(loss)(-rho),
    ]
    for other in others:
        assert expected_bound(loss, pair, other) <= most + 1e-12


def test_bound_of_a_lipschitz_critic_is_below_the_wasserstein_distance() -> None:
    """Equal to K·W₁ for shifted Gaussians and V = K·x, whose slope is K everywhere; below it otherwise."""
    quantiles = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
    z = torch.from_numpy(stats.norm.ppf(quantiles.numpy()))
    loss, slope = WGAN(), 3.0
    assert loss.bound(slope * (z + 2.0), slope * z).item() == pytest.approx(slope * 2.0, rel=1e-9)
    real, fake = z, 1.5 * z + 0.3
    distance = stats.wasserstein_distance(real.numpy(), fake.numpy())
    for critic in (torch.sin, torch.abs, torch.neg, torch.nn.functional.softplus, lambda x: (x - 1).abs()):
        assert loss.bound(critic(real), critic(fake)) <= distance  # slopes of at most 1
    assert loss.optimal_score(z) is None
    assert loss.log_ratio(z) is None


@separable
def test_best_score_minimises_point_by_point(loss: SeparableLoss) -> None:
    assert_pointwise_best(loss)


@every_critic
def test_score_and_density_ratio(loss: Loss) -> None:
    rho = torch.linspace(-6, 6, 40, dtype=torch.float64)
    score = loss.optimal_score(rho)
    ratio = None if score is None else loss.log_ratio(score)
    if ratio is not None:
        torch.testing.assert_close(ratio, rho, rtol=1e-8, atol=1e-8)
    margin = None if score is None else loss.margin(score)
    if margin is not None:
        assert ((margin > 0) == (rho > 0)).all()
    if isinstance(loss, FGAN) and loss.activation == "log_ratio":
        assert torch.equal(best(loss)(rho), rho)


@every_critic
def test_threshold_is_the_slope_of_f_at_one(loss: Loss) -> None:
    threshold = loss.threshold(REAL)
    if isinstance(loss, FGAN):
        assert threshold is not None
        slopes = {"KL": 1.0, "ReverseKL": -1.0, "GAN": -math.log(2)}  # and 0 for all with f'(1) = 0
        assert threshold.item() == pytest.approx(slopes.get(type(loss.divergence).__name__, 0.0), abs=1e-15)
    score = loss.optimal_score(double(0.0))
    statistic = None if score is None else loss.statistic(score)
    assert (threshold is None) == (statistic is None)
    if threshold is not None and statistic is not None:
        assert statistic.item() == pytest.approx(threshold.item(), abs=1e-14)


@every
def test_a_zero_sum_generator_wants_what_the_critic_does_not(loss: Loss) -> None:
    """By what it says of generated scores alone: ∂generator = −∂critic, or it is another game."""
    real, fake = (
        torch.linspace(-2, 2, 9, dtype=torch.float64),
        torch.linspace(-3, 1.5, 9, dtype=torch.float64),
    )
    of_generator = torch.func.grad(lambda v: loss.generator(real, v).sum())(fake)
    of_critic = torch.func.grad(lambda v: loss.critic(real, v).sum())(fake)
    assert torch.allclose(of_generator, -of_critic, rtol=1e-9, atol=1e-12) == loss.zero_sum
