"""Every legal pair of loss, model and data trains to finite numbers; every other is refused in one line."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves

from gan_cli.build import Experiment
from gan_cli.cli.compose import plan
from gan_cli.cli.job import experiment
from gan_cli.cli.request import parse
from gan_cli.data.feed import Feed
from gan_cli.errors import InputError
from gan_cli.likelihood import Likelihood
from gan_cli.streams import Streams
from tests.kinds import (
    CONFIGS,
    CRITERIA,
    DENSITIES,
    GAME_LOSSES,
    GAME_OPTIMIZERS,
    GAMES,
    PYRAMIDS,
    model_config,
    options,
    small,
)

__all__ = ["CONFIGS", "built", "options"]
DATA = {
    "line": ["data=mixture1d"],
    "points": ["data=ring"],
    "grey": ["data=fake", "data.size=16", "data.channels=1", "data.count=40"],
    "colour": ["data=fake", "data.size=28", "data.channels=3", "data.count=40", "data.pixel_range=[0,1]"],
}
STEPS = 3


def built(*overrides: str) -> Experiment:
    made: Experiment = experiment(plan(parse(list(overrides))).jobs[0].config)
    return made


def assert_trains(made: Experiment) -> None:
    game, streams = made.plain, Streams(made.seed, torch.device("cpu"))
    state = game.init(made.seed)
    with Feed(made.dataset, game.batch_size, streams, torch.device("cpu")) as feed:
        for step in range(STEPS):
            state, traces = game.play(state, game.draw(step, feed, streams))
            measured = game.measure(traces)
            assert all(x.isfinite().all() for x in tree_leaves((state, traces, measured))), measured
            assert isinstance(game, Likelihood) or any("divergence/bound" in name for name in measured)
    sample = game.sample(state, game.latents(torch.Generator(), 3))
    assert sample.shape == (3, *made.dataset.shape)
    assert sample.isfinite().all()


SQUARE = ("dcgan", "dcgan_small", "resnet", "r3gan", "stacked")
"""Models for square images alone; all others take anything."""
WIDTHLESS = {("univariate", "generator")}


@cache
def narrow(model: str, data: str) -> dict[str, Any]:
    """The config of a small network on these data, with any loss."""
    width = [f"model.{side}.width=8" for side in ("generator", "critic") if (model, side) not in WIDTHLESS]
    line = [*DATA[data], f"model={model}", *width, "batch_size=6", "device=cpu"]
    return plan(parse(line)).jobs[0].config


@cache
def loss_config(loss: str) -> dict[str, Any]:
    config: dict[str, Any] = plan(parse([f"loss={loss}"])).jobs[0].config["loss"]
    return config


@pytest.mark.parametrize("loss", GAME_LOSSES)
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("model", GAMES)
def test_loss_model_and_data(model: str, data: str, loss: str) -> None:
    if model not in SQUARE or data in ("grey", "colour"):
        assert_trains(experiment(narrow(model, data) | {"loss": loss_config(loss)}))


@pytest.mark.parametrize("data", ["line", "points"])
@pytest.mark.parametrize("model", [*SQUARE, *PYRAMIDS])
def test_a_model_for_square_images_refuses_points(model: str, data: str) -> None:
    with pytest.raises(InputError, match="use model=mlp"):
        experiment(narrow(model, data))


@pytest.mark.parametrize("loss", GAME_LOSSES)
@pytest.mark.parametrize("data", ["grey", "colour"])
@pytest.mark.parametrize("model", PYRAMIDS)
def test_pyramid_and_loss(model: str, data: str, loss: str) -> None:
    assert_trains(experiment(narrow(model, data) | {"loss": loss_config(loss)}))


BINARY = ["data=fake", "data.size=16", "data.channels=1", "data.count=40", "data.binarize=threshold"]
SIGHTS = {"binary": BINARY, **DATA}
FOR_IMAGES = ("vae_conv",)
"""Densities for square images alone."""


def reason(model: str, criterion: str, sight: str) -> str | None:
    """Why a density cannot be trained by that criterion on those data, in a word of the line that says so."""
    if model in FOR_IMAGES and sight in ("line", "points"):
        return "model=vae"
    if "decoder" not in model_config(model)["density"] and sight in ("line", "points"):
        return "for points use model=vae|at least 2 dimensions"
    made = built(*BINARY, f"model={model}", *small(model)).plain
    assert isinstance(made, Likelihood)
    kind = "autoencoder" if hasattr(made.density, "encode") else made.density.likelihood
    if kind != {"elbo": "autoencoder", "iwae": "autoencoder", "nll": "exact"}.get(criterion, "estimate"):
        return "loss="
    return None


def of_density(model: str, sight: str) -> list[str]:
    """A small density on these data: of grey values and points with a Gaussian decoder, where it has one."""
    decoder = "decoder" in model_config(model)["density"] and sight != "binary"
    gaussian = ["model.density.decoder=gaussian"] if decoder else []
    return [*SIGHTS[sight], f"model={model}", *small(model), *gaussian, "batch_size=6", "device=cpu"]


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("model", DENSITIES)
def test_density_criterion_and_data(model: str, sight: str, criterion: str) -> None:
    overrides = [*of_density(model, sight), f"loss={criterion}"]
    if word := reason(model, criterion, sight):
        with pytest.raises(InputError, match=word) as refused:
            built(*overrides)
        assert "\n" not in str(refused.value)
    else:
        assert_trains(built(*overrides))


@pytest.mark.parametrize("trick", options("trick"))
@pytest.mark.parametrize("model", DENSITIES)
def test_density_and_trick(model: str, trick: str) -> None:
    overrides = [*of_density(model, "binary"), f"trick=[{trick}]"]
    if trick in ("ema", "gradient_clipping", "historical_averaging", "optimistic"):
        assert_trains(built(*overrides))
    else:
        with pytest.raises(InputError, match=f"^trick={trick}: [^\n]*two players[^\n]*$"):
            built(*overrides)


@pytest.mark.parametrize("loss", [*GAME_LOSSES, *CRITERIA])
def test_a_loss_of_the_other_kind_is_refused(loss: str) -> None:
    model = ["model=mlp"] if loss in CRITERIA else ["model=vae", *BINARY]
    with pytest.raises(InputError, match="^loss: [^\n]*$"):
        built(*model, f"loss={loss}", "device=cpu")


@pytest.mark.parametrize("loss", ["gan_ns", "fgan_kl", "wgan", "rpgan"])
@pytest.mark.parametrize("trick", options("trick"))
@pytest.mark.parametrize("model", ["mlp", "dcgan"])
def test_trick(model: str, trick: str, loss: str) -> None:
    overrides = [
        *DATA["grey"],
        f"model={model}",
        "model.width=8",
        f"loss={loss}",
        f"trick=[{trick}]",
        "device=cpu",
    ]
    refused = {("label_smoothing", "rpgan"): "sum over real and fake"}
    refused |= {("virtual_batch_norm", "mlp"): "has no BatchNorm"}
    refused |= {(penalty, "dcgan"): "norm=layer" for penalty in ("r1", "r2", "wgan_gp", "dragan")}
    reason = refused.get((trick, loss)) or refused.get((trick, model))
    if reason:
        with pytest.raises(InputError, match=reason):
            built(*overrides)
    else:
        assert_trains(built(*overrides))


@pytest.mark.parametrize("alpha", [-1, 0.1, 0.9, 0.99, 1.01, 3])
@pytest.mark.parametrize("generator", ["variational", "heuristic"])
def test_alpha(alpha: float, generator: str) -> None:
    overrides = [*DATA["points"], "model=mlp", "model.width=8", "device=cpu", "loss=fgan_alpha"]
    form = [f"loss.generator={generator}", "loss.activation=log_ratio"]
    assert_trains(built(*overrides, *form, f"loss.divergence.alpha={alpha}"))


@pytest.mark.parametrize("pi", [0.01, 0.99])
def test_pi(pi: float) -> None:
    assert_trains(
        built(*DATA["points"], "model=mlp", "device=cpu", "loss=fgan_wjs", f"loss.divergence.pi={pi}")
    )


@pytest.mark.parametrize("optimizer", GAME_OPTIMIZERS)
@pytest.mark.parametrize("precision", ["fp32", "fp64", "bf16"])
def test_optimizer_and_precision(optimizer: str, precision: str) -> None:
    names = [
        f"optimizer={optimizer}",
        f"runtime.precision={precision}",
        "trick=[unrolled]",
        "trick.unrolled.steps=2",
    ]
    assert_trains(built(*DATA["grey"], "model=dcgan", "model.width=8", "device=cpu", *names))
