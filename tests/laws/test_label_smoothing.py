"""Label smoothing around every loss that is a sum over real and fake."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from gan_cli.losses.base import SeparableLoss
from gan_cli.losses.gan import Minimax
from gan_cli.losses.gan_ns import NonSaturating
from gan_cli.losses.label_smoothing import LabelSmoothing
from gan_cli.losses.rpgan import RpGAN
from gan_cli.streams import Streams
from tests.games import CPU, Cloud, small_game
from tests.laws.cases import (
    FAKE,
    FOLDER,
    REAL,
    assert_pointwise_best,
    best,
    double,
    players,
    separable,
)
from tests.laws.integrals import (
    Gaussians,
    expected_bound,
    jensen_shannon,
    pairs,
)

TRICK = FOLDER.parent / "trick" / "label_smoothing.yaml"
SMOOTH = [(0.9, 0.0), (0.8, 0.1), (1.0, 0.2)]


@separable
@pytest.mark.parametrize(("real", "fake"), SMOOTH)
def test_smoothed_optimum(loss: SeparableLoss, real: float, fake: float) -> None:
    smooth = LabelSmoothing(loss, real=real, fake=fake)
    assert_pointwise_best(smooth)
    rho = torch.linspace(-4, 4, 33, dtype=torch.float64)
    v = smooth.optimal_score(rho)
    ratio = None if v is None else smooth.log_ratio(v)
    assert (ratio is None) == (loss.log_ratio(rho) is None)
    if ratio is not None and v is not None:
        torch.testing.assert_close(ratio, rho, rtol=1e-7, atol=1e-7)
        inner = loss.log_ratio(v)
        assert inner is not None
        expected = real * rho.sigmoid() + fake * (-rho).sigmoid()  # (αp + βq) / (p + q)
        torch.testing.assert_close(inner.sigmoid(), expected, rtol=1e-8, atol=1e-8)


@separable
def test_no_smoothing_is_the_identity(loss: SeparableLoss) -> None:
    plain = LabelSmoothing(loss, real=1.0, fake=0.0)
    for one, two in zip(players(plain), players(loss), strict=True):
        torch.testing.assert_close(one(REAL, FAKE), two(REAL, FAKE))
    found, wanted = plain.measure(REAL, FAKE), loss.measure(REAL, FAKE)
    assert set(found) == set(wanted)
    for name in found:
        torch.testing.assert_close(found[name], wanted[name])
    assert plain.divergence_name == loss.divergence_name


@separable
def test_smoothing_leaves_the_generator_and_the_bound_alone(loss: SeparableLoss) -> None:
    smooth = LabelSmoothing(loss, real=0.9, fake=0.05)
    assert torch.equal(smooth.generator(REAL, FAKE), loss.generator(REAL, FAKE))
    assert torch.equal(smooth.bound(REAL, FAKE), loss.bound(REAL, FAKE))
    mixed = 0.9 * loss.on_real(REAL) + (1 - 0.9) * loss.on_fake(REAL)
    torch.testing.assert_close(smooth.on_real(REAL), mixed)


@pairs
def test_bound_of_a_smoothed_critic_is_valid_and_no_longer_tight(pair: Gaussians) -> None:
    smooth = LabelSmoothing(Minimax())
    found = expected_bound(smooth, pair, best(smooth))
    assert found < 2 * jensen_shannon(pair) - math.log(4) - 1e-4


def test_smoothed_threshold_and_accuracy_stay_at_equal_densities() -> None:
    smooth = LabelSmoothing(NonSaturating())
    found = smooth.measure(REAL, FAKE)
    assert found["T/threshold"].item() == pytest.approx(math.log(0.9 / 2))  # D = (0.9 p)/(p + q) at p = q
    level = math.log(0.45 / 0.55)
    accuracy = smooth.accuracy(double(level + 1e-6, 0.0), double(level - 1e-6, level + 1e-6))
    assert accuracy is not None
    assert accuracy.item() == pytest.approx(0.75)
    assert torch.equal(smooth.log_ratio(double(9.0, -60.0)), double(math.inf, -60.0 - math.log(0.9)))  # type: ignore[arg-type]


def test_smoothing_of_what_is_no_sum_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"^loss must be a sum over real and fake: .*gan_ns, got 'RpGAN'$"):
        LabelSmoothing(RpGAN())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"real": 0.0}, "real"),
        ({"real": 1.1}, "real"),
        ({"fake": -0.1}, "fake"),
        ({"fake": 1.0}, "fake"),
        ({"real": 0.4, "fake": 0.5}, "fake"),
        ({"real": math.nan}, "real"),
    ],
)
def test_smoothing_refuses_targets_out_of_order(options: dict[str, float], argument: str) -> None:
    with pytest.raises(ValueError, match=f"^{argument} must be .*, got"):
        LabelSmoothing(NonSaturating(), **options)


def test_smoothing_yaml_is_the_trick() -> None:
    assert TRICK.read_text().startswith("# @package trick.label_smoothing\n")
    trick = instantiate(OmegaConf.load(TRICK), _partial_=True)
    assert trick(NonSaturating()) == LabelSmoothing(NonSaturating(), real=0.9, fake=0.0)


@pytest.mark.parametrize("steps", [0, 3])
@pytest.mark.parametrize("name", ["gan", "wgan", "gan_ns"])
def test_smoothing_by_nothing_is_the_unit_of_unrolled_games_too(name: str, steps: int) -> None:
    plain = small_game(name, unroll=steps)
    assert isinstance(plain.loss, SeparableLoss)
    smoothed = replace(plain, loss=LabelSmoothing(plain.loss, real=1.0, fake=0.0))
    batches = plain.draw(0, Cloud(), Streams(0, CPU))
    one, other = (game.play(game.init(0), batches)[0].generator.params for game in (plain, smoothed))
    for k, p in one.items():
        torch.testing.assert_close(other[k], p, rtol=1e-12, atol=1e-14)
