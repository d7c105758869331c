"""Learners other than a plain game as one compiled graph: equal to rounding to what they are eagerly."""

from __future__ import annotations

import pytest
import torch
from torch.utils._pytree import tree_leaves

from gan_cli.data.feed import Feed
from gan_cli.streams import Streams
from tests.test_combinations import built, of_density

CPU = torch.device("cpu")
IMAGES = ["data=fake", "data.size=16", "data.count=40", "batch_size=6", "device=cpu"]
LEARNERS = {
    "vae": [*of_density("vae", "binary"), "model.condition=concat", "trick=[ema,historical_averaging]"],
    "made": [*of_density("made", "binary"), "model.density.masks=2"],
    "chains": [*of_density("rbm", "binary"), "loss=pcd"],
    "pyramid": [*IMAGES, "model=lapgan", "model.width=4"],
    "classes": [*IMAGES, "model=dcgan", "model.width=4", "model.condition=projection", "critic_steps=2"],
}


@pytest.mark.slow
@pytest.mark.parametrize("case", LEARNERS)
def test_compiled_it_is_what_it_is_eagerly(case: str) -> None:
    made = built(*LEARNERS[case], "runtime.compile=on", "runtime.precision=fp64", "steps=1000")
    streams = Streams(0, CPU)
    feed = Feed(made.dataset, made.plain.batch_size, streams, CPU)
    one = other = made.plain.init(0)
    for step in range(3):
        batches = made.plain.draw(step, feed, streams)
        one, traces = made.plain.play(one, batches)
        other, compiled = made.learner.play(other, batches)
        for a, b in zip(tree_leaves((one, traces)), tree_leaves((other, compiled)), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)
