"""What a loss reports, what a sweep may map over, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from gan_cli.divergences.kl import KL
from gan_cli.divergences.total_variation import TotalVariation
from gan_cli.losses.base import Loss
from gan_cli.losses.fgan import FGAN
from gan_cli.losses.gan import Minimax
from gan_cli.losses.gan_ns import NonSaturating
from gan_cli.losses.hinge import Hinge
from gan_cli.losses.label_smoothing import LabelSmoothing
from gan_cli.losses.lsgan import LSGAN
from gan_cli.losses.rpgan import RpGAN
from gan_cli.losses.wgan import WGAN
from tests.laws.cases import (
    FAKE,
    REAL,
    double,
    every_critic,
)


@every_critic
def test_measures(loss: Loss) -> None:
    found = loss.measure(REAL, FAKE)
    names = {"bound", "accuracy"}
    if isinstance(loss, FGAN | Minimax):
        names |= {"T/real", "T/fake", "T/threshold"}
    if loss.log_ratio(REAL) is not None:
        names |= {"D/real", "D/fake"}
    assert set(found) == names
    assert all(value.shape == () and value.isfinite() for value in found.values())
    assert 0 <= found["accuracy"] <= 1
    for side, score in (("real", REAL), ("fake", FAKE)):
        ratio, statistic = loss.log_ratio(score), loss.statistic(score)
        if ratio is not None:
            assert found[f"D/{side}"].item() == pytest.approx(ratio.sigmoid().mean().item())
        if statistic is not None:
            assert found[f"T/{side}"].item() == pytest.approx(statistic.mean().item())


@pytest.mark.parametrize(
    ("loss", "real", "fake", "share"),
    [
        (NonSaturating(), (1.0, 2.0, -1.0, 3.0), (-1.0, -2.0, 1.0, 1.0), 0.625),
        (NonSaturating(), (0.0, 0.0), (0.0, 0.0), 0.5),  # a critic that knows nothing
        (FGAN(KL()), (1.5, 0.5), (0.5, 0.9), 0.75),  # its threshold is 1
        (FGAN(KL(), activation="log_ratio"), (0.5, -0.5), (-0.5, -0.1), 0.75),
        (FGAN(TotalVariation()), (2.0, -1.0), (-3.0, -1.0), 0.75),
        (LSGAN(), (0.6, 2.0), (0.4, 0.7), 0.75),
        (LSGAN(a=1.0, b=0.0, c=0.0), (0.4, -1.0), (0.6, 0.3), 0.75),
        (Hinge(), (0.1, -0.1), (-3.0, -0.1), 0.75),
        (WGAN(), (101.0, 102.0), (99.0, 98.0), 1.0),  # the level does not matter
        (RpGAN(), (1.0, 5.0), (0.0, 6.0), 0.5),
    ],
)
def test_accuracy(loss: Loss, real: tuple[float, ...], fake: tuple[float, ...], share: float) -> None:
    found = loss.accuracy(torch.tensor(real), torch.tensor(fake))
    assert found is not None
    assert found.item() == pytest.approx(share)


@pytest.mark.parametrize(
    ("make", "values"),
    [
        (lambda x: LSGAN(a=x, b=1.0, c=x + 1), (-1.0, 0.0, 0.5)),
        (lambda x: LabelSmoothing(NonSaturating(), real=x), (0.7, 0.9, 1.0)),
        (lambda x: LabelSmoothing(LSGAN(), fake=x), (0.0, 0.1, 0.2)),
    ],
    ids=["lsgan", "smoothing-real", "smoothing-fake"],
)
def test_a_sweep_may_map_over_a_hyper_parameter(
    make: Callable[[Any], Loss], values: tuple[float, ...]
) -> None:
    swept = torch.vmap(lambda x: make(x).measure(REAL, FAKE)["bound"] + make(x).critic(REAL, FAKE))(
        double(*values)
    )
    alone = torch.stack([make(x).bound(REAL, FAKE) + make(x).critic(REAL, FAKE) for x in values])
    torch.testing.assert_close(swept, alone)


def test_fgan_refuses_what_it_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"^activation must be 'paper' for TV.* step.*, got 'log_ratio'$"):
        FGAN(TotalVariation(), activation="log_ratio")
    with pytest.raises(ValueError, match=r"^generator must be variational or heuristic, got 'minimax'"):
        FGAN(KL(), generator="minimax")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^activation must be paper or log_ratio, got 'none'"):
        FGAN(KL(), activation="none")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^divergence must be a Divergence, got 'kl'"):
        FGAN("kl")  # type: ignore[arg-type]


def test_lsgan_refuses_equal_targets() -> None:
    with pytest.raises(ValueError, match=r"^a must be other than b = 1.0, .*, got 1.0$"):
        LSGAN(a=1.0)
