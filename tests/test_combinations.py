"""Every legal pair of loss, model and data trains to finite numbers; every other is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils._pytree import tree_leaves

from gan_cli.build import Experiment
from gan_cli.cli.compose import plan
from gan_cli.cli.job import experiment
from gan_cli.cli.request import parse
from gan_cli.data.feed import Feed
from gan_cli.errors import InputError
from gan_cli.streams import Streams

CONFIGS = Path(__file__).parent.parent / "configs"
DATA = {
    "line": ["data=mixture1d"],
    "points": ["data=ring"],
    "grey": ["data=fake", "data.size=16", "data.channels=1", "data.count=40"],
    "colour": ["data=fake", "data.size=28", "data.channels=3", "data.count=40", "data.pixel_range=[0,1]"],
}
STEPS = 5


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


def built(*overrides: str) -> Experiment:
    made: Experiment = experiment(plan(parse(list(overrides))).jobs[0].config)
    return made


def assert_trains(made: Experiment) -> None:
    game, streams = made.game, Streams(made.seed, torch.device("cpu"))
    state = game.init(made.seed)
    with Feed(made.dataset, game.batch_size, streams, torch.device("cpu")) as feed:
        for step in range(STEPS):
            state, traces = game.play(state, game.draw(step, feed, streams))
            measured = game.measure(traces)
            assert all(x.isfinite().all() for x in tree_leaves((state, traces, measured))), measured
            assert "divergence/bound" in measured
    sample = game.sample(state, game.latents(torch.Generator(), 3))
    assert sample.shape == (3, *made.dataset.shape)
    assert sample.isfinite().all()


def legal(model: str, data: str) -> bool:
    return model.startswith("mlp") or data not in ("line", "points")


@pytest.mark.parametrize("loss", options("loss"))
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("model", options("model"))
def test_loss_model_and_data(model: str, data: str, loss: str) -> None:
    width = ["model.generator.width=8", "model.critic.width=8"]
    overrides = [*DATA[data], f"model={model}", *width, f"loss={loss}", "batch_size=6", "device=cpu"]
    if legal(model, data):
        assert_trains(built(*overrides))
    else:
        with pytest.raises(InputError, match="use model=mlp"):
            built(*overrides)


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


@pytest.mark.parametrize("optimizer", options("optimizer"))
@pytest.mark.parametrize("precision", ["fp32", "fp64", "bf16"])
def test_optimizer_and_precision(optimizer: str, precision: str) -> None:
    names = [
        f"optimizer={optimizer}",
        f"runtime.precision={precision}",
        "trick=[unrolled]",
        "trick.unrolled.steps=2",
    ]
    assert_trains(built(*DATA["grey"], "model=dcgan", "model.width=8", "device=cpu", *names))
