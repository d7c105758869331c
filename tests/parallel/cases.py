"""Games that several processes must play as one does, and their rounds."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from gan_cli import checkpoint
from gan_cli.build import Experiment
from gan_cli.data.feed import Feed
from gan_cli.learner import Learner
from gan_cli.parallel.ranks import Ranks
from gan_cli.streams import Streams
from gan_cli.types import Trace
from tests.test_combinations import built

POINTS = ["data=ring", "model=mlp", "model.width=8", "batch_size=12", "device=cpu", "runtime.precision=fp64"]
IMAGES = [
    *["data=fake", "data.size=16", "data.count=40", "data.channels=1", "model=dcgan", "model.width=4"],
    *["batch_size=12", "device=cpu", "runtime.precision=fp64"],
]
"""DCGANs with BatchNorm in both players; 12 examples for 2 or 3 processes, in epochs of 40."""

_K3 = "trick.unrolled.steps=3"
POINT_CASES: dict[str, list[str]] = {
    "plain": [],
    "unrolled": ["trick=[unrolled]", _K3],
    "unrolled_zero_sum": ["trick=[unrolled]", _K3, "loss=gan"],
    "unrolled_penalised": ["trick=[unrolled,r1,instance_noise]", _K3],
    "unrolled_recomputed": ["trick=[unrolled,wgan_gp]", _K3, "trick.unrolled.recompute=true", "loss=wgan"],
    "unrolled_lecam": ["trick=[unrolled,lecam,historical_averaging]", _K3],
    "unrolled_momentum": ["trick=[unrolled]", _K3, "optimizer=rmsprop"],
    "wgan_gp": ["trick=[wgan_gp,ema]", "loss=wgan", "critic_steps=3"],
    "lazy": ["trick=[r1,r2,ema,lecam]", "trick.r1.every=3", "trick.lecam.every=2"],
    "dragan": ["trick=[dragan]"],
    "consensus": ["trick=[consensus]"],
    "feature_matching": ["trick=[feature_matching]"],
    "feature_matching_l1": ["trick=[feature_matching]", "trick.feature_matching.norm=l1"],
    "historical_averaging": ["trick=[historical_averaging]"],
    "instance_noise": ["trick=[instance_noise]"],
    "clipped": ["trick=[gradient_clipping,weight_clipping,ttur]", "trick.gradient_clipping.max_norm=0.05"],
    "extragradient": ["trick=[extragradient,lecam]", "critic_steps=2"],
    "simultaneous": ["trick=[simultaneous,optimistic]"],
    "packing": ["trick=[packing,r1]"],
    "spectral_norm": ["trick=[spectral_norm]", "loss=hinge"],
    "minibatch_discrimination": ["trick=[minibatch_discrimination]"],
    "unrolled_closeness": ["trick=[unrolled,minibatch_discrimination]", _K3],
    "paired": ["loss=rpgan"],
    "divergence": ["loss=fgan_kl", "trick=[label_smoothing]"],
}
IMAGE_CASES: dict[str, list[str]] = {
    "dcgan": [],
    "dcgan_unrolled": ["trick=[unrolled]", _K3],
    "dcgan_zero_sum": ["trick=[unrolled]", _K3, "loss=fgan_kl", "loss.generator=variational"],
    "dcgan_augmented": ["trick=[diffaugment,feature_matching,ema]", "critic_steps=2"],
    "dcgan_virtual": ["trick=[virtual_batch_norm,instance_noise]"],
    "dcgan_consensus": ["trick=[consensus]"],
    "dcgan_simultaneous": ["trick=[simultaneous,minibatch_discrimination]"],
    "disk": ["data.count=40", "runtime.resident_mb=0"],
}
_DIGITS = ["data=digits", "batch_size=12", "device=cpu", "runtime.precision=fp64"]
OTHER_CASES: dict[str, list[str]] = {
    "conditional": ["model=mlp", "model.condition=projection", "trick=[r1]"],
    "pyramid": ["data.size=16", "model=lapgan", "model.width=4"],
    "vae": ["model=vae", "data.binarize=stochastic", "trick=[ema]"],
    "iwae": ["model=vae", "loss=iwae", "loss.samples=3"],
    "made": ["model=made", "model.density.masks=4", "data.binarize=fixed"],
    "nade": ["model=nade", "data.binarize=threshold"],
}
CASES = {name: [*POINTS, *more] for name, more in POINT_CASES.items()}
CASES |= {name: [*_DIGITS, *more] for name, more in OTHER_CASES.items()}
CASES |= {name: [*IMAGES, *more] for name, more in IMAGE_CASES.items()}
STEPS = {name: 6 if name in IMAGE_CASES else 20 for name in CASES}


GHOST = [*IMAGES, "runtime.batch_norm=ghost", "optimizer=sgd", "trick=[simultaneous]"]
"""One round of it is linear in what each process's rows give."""


def played(made: Experiment, game: Learner, ranks: Ranks, steps: int) -> dict[str, Tensor]:
    """The state after some rounds, and the last round's numbers."""
    streams, cpu = Streams(made.seed, torch.device("cpu")), torch.device("cpu")
    state = game.init(made.seed)
    traces: dict[str, Trace] = {}
    rows = ranks.rows(game.batch_size)
    with Feed(made.dataset, game.batch_size, streams, cpu, made.resident_mb, rows) as feed:
        for step in range(steps):
            state, traces = game.play(state, game.draw(step, feed, streams))
    return checkpoint.flatten(state) | {f"logged {k}": v for k, v in game.measure(traces).items()}


def keep(folder: Path, ranks: Ranks) -> None:
    """Play all cases as this process's part and keep what they end with."""
    made = {name: built(*line) for name, line in CASES.items()}
    ends = {name: played(one, one.learner, ranks, STEPS[name]) for name, one in made.items()}
    ghost = built(*GHOST)
    ends["ghost"] = played(ghost, ghost.learner, ranks, 1)
    torch.save(ends, folder / f"{ranks.rank}.pt")
