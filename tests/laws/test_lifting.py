"""Every float of a loss, a trick or an optimiser can be a tensor, or is declared part of the game's form."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from gan_cli.data.feed import Feed
from gan_cli.ensemble import Ensemble, stack, unstack
from gan_cli.lifting import lifted, rebuilt
from gan_cli.losses.gan import Minimax
from gan_cli.losses.label_smoothing import LabelSmoothing
from gan_cli.streams import Streams
from gan_cli.transforms.sgd import SGD
from gan_cli.views.diffaugment import DiffAugment
from tests.kinds import DENSITIES, GAME_LOSSES, GAME_OPTIMIZERS, PYRAMIDS, options
from tests.test_combinations import built, of_density

CPU = torch.device("cpu")
POINTS = ["data=ring", "model=mlp", "model.width=8", "batch_size=6", "device=cpu"]
IMAGES = [
    *["data=fake", "data.size=16", "data.count=40", "model=dcgan", "model.width=4", "batch_size=6"],
    "device=cpu",
]
FOR_IMAGES = ("diffaugment", "virtual_batch_norm")
RUNS = {
    **{f"loss={name}": [*POINTS, f"loss={name}"] for name in GAME_LOSSES},
    **{f"optimizer={name}": [*POINTS, f"optimizer={name}"] for name in GAME_OPTIMIZERS},
    **{
        f"trick={name}": [*(IMAGES if name in FOR_IMAGES else POINTS), f"trick=[{name}]"]
        for name in options("trick")
    },
    **{f"model={name}": of_density(name, "binary") for name in DENSITIES},
    **{f"model={name}": [*IMAGES[:3], f"model={name}", *IMAGES[4:]] for name in PYRAMIDS},
    "classes": [*IMAGES, "model.condition=projection"],
    "importance weights": [*of_density("vae", "binary"), "loss=iwae", "trick=[ema,historical_averaging]"],
    "chains": [*of_density("rbm", "binary"), "loss=pcd"],
    "a constant decay": [
        *[*POINTS, "trick=[ema]", "trick.ema.decay=0.9", "trick.ema.half_life_images=null"],
        "trick.ema.warm_up=null",
    ],
    "momentum": [*POINTS, "optimizer=sgd", "optimizer.critic.momentum=0.9", "optimizer.critic.dampening=0.1"],
    "centred": [*POINTS, "optimizer=rmsprop", "optimizer.critic.centered=true", "trick=[weight_clipping]"],
    "a zero-sum game": [*POINTS, "loss=gan", "trick=[label_smoothing,unrolled]", "trick.unrolled.steps=2"],
    "many": [
        *[*POINTS, "trick=[instance_noise,r1,lecam,ttur,gradient_clipping]", "trick.r1.every=2"],
        "critic_steps=2",
    ],
}


def apart(one: Tensor, other: Tensor) -> float:
    """The largest difference, relative to numbers above 1e-6."""
    assert one.shape == other.shape
    assert one.dtype == other.dtype
    return float(((one - other).abs() / (1e-6 + one.abs())).max()) if one.numel() else 0.0


def furthest(overrides: list[str], rounds: int) -> float:
    """How far the runs of an ensemble whose every float differs get from each of them alone."""
    made = built(*overrides)
    values = lifted(made.plain).values
    assert values
    games = [rebuilt(made.plain, [v * factor for v in values.values()]) for factor in (1.0, 1.01, 0.98)]
    streams = [Streams(seed, CPU) for seed in range(3)]
    feeds = [Feed(made.dataset, made.plain.batch_size, s, CPU) for s in streams]
    floats = [list(lifted(game).values.values()) for game in games]
    ensemble = Ensemble(made.plain, floats=torch.tensor(floats, dtype=torch.float64))
    alone = [game.init(seed) for seed, game in enumerate(games)]
    together, most = stack(alone), 0.0
    for step in range(rounds):
        together, traces = ensemble.play(together, ensemble.draw(step, feeds, streams))
        for i, game in enumerate(games):
            alone[i], trace = game.play(alone[i], game.draw(step, feeds[i], streams[i]))
            pairs = zip(
                tree_leaves((alone[i], trace)), tree_leaves(unstack((together, traces), i)), strict=True
            )
            most = max(most, *(apart(one, other) for one, other in pairs))
    return most


@pytest.mark.parametrize("case", RUNS)
def test_a_run_with_its_floats_as_tensors_is_the_run_alone(case: str) -> None:
    assert furthest([*RUNS[case], "runtime.precision=fp64"], rounds=4) < 1e-9


@pytest.mark.parametrize("case", RUNS)
def test_tensors_widen_nothing(case: str) -> None:
    furthest([*RUNS[case], "runtime.precision=fp32"], rounds=1)


def test_what_is_branched_on_stays_in_the_form() -> None:
    one, other = lifted(DiffAugment(cutout=0.5)), lifted(DiffAugment(cutout=0.25))
    assert "cutout" not in one.values
    assert one.form != other.form
    assert one.form == lifted(DiffAugment(brightness=0.1)).form


def test_only_no_smoothing_of_fakes_leaves_a_game_zero_sum() -> None:
    smoothed = [lifted(LabelSmoothing(Minimax(), 0.9, fake)).form for fake in (0.0, 0.1, 0.2)]
    assert smoothed[0] != smoothed[1]
    assert smoothed[1] == smoothed[2]


def test_other_kinds_and_counts_are_other_forms() -> None:
    forms = [lifted(one).form for one in (SGD(), SGD(momentum=0.9, nesterov=True), [SGD()], [SGD(), SGD()])]
    assert all(a != b for i, a in enumerate(forms) for b in forms[:i])


@dataclass
class Nested:
    """Floats at every place where an ingredient may keep them."""

    inner: SGD
    pair: tuple[float, int]
    named: dict[str, float]


def test_floats_come_back_in_their_places() -> None:
    tree = Nested(SGD(lr=0.5), (2.0, 3), {"a": 4.0})
    values = lifted(tree).values
    assert values["inner.lr"] == 0.5
    assert (values["pair.0"], values["named.a"]) == (2.0, 4.0)
    again = rebuilt(tree, list(values.values()))
    assert again == tree
    assert again is not tree
