"""Learners of one player: their steps by hand, their averages, what is refused, and that they resume."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor
from torch.func import functional_call
from torch.utils._pytree import tree_leaves

from gan_cli.calculus import functional
from gan_cli.data.feed import Feed
from gan_cli.densities.autoregressive import Autoregressive
from gan_cli.errors import InputError
from gan_cli.likelihood import Likelihood, LikelihoodState
from gan_cli.streams import Streams
from tests.test_combinations import built, of_density
from tests.test_resume import assert_resumes

CPU = torch.device("cpu")
QUICK = ["sample_every=0"]
RUNS = {
    "elbo": [*of_density("vae", "binary"), "trick=[ema,historical_averaging,gradient_clipping]"],
    "iwae": [*of_density("vae_conv", "colour"), "loss=iwae", "loss.samples=3"],
    "points": of_density("vae", "points"),
    "classes": [*of_density("vae", "binary"), "model.condition=concat"],
    "masks": [*of_density("made", "binary"), "model.density.masks=3", "model.density.ordering=random"],
    "nade": of_density("nade", "binary"),
    "chains": [*of_density("rbm", "binary"), "loss=pcd", "loss.steps=2", "loss.averaged=2"],
    "cd": of_density("rbm", "grey"),
    "redrawn": [*of_density("nade", "binary"), "data.binarize=stochastic"],
}


def learner(*overrides: str) -> tuple[Likelihood, Feed, Streams]:
    made = built(*overrides, *QUICK)
    assert isinstance(made.plain, Likelihood)
    streams = Streams(made.seed, CPU)
    return made.plain, Feed(made.dataset, made.plain.batch_size, streams, CPU), streams


def trained(model: Likelihood, feed: Feed, streams: Streams, steps: int) -> list[LikelihoodState]:
    states = [model.init(0)]
    for step in range(steps):
        states.append(model.play(states[-1], model.draw(step, feed, streams))[0])
    return states


@pytest.mark.parametrize("case", RUNS)
def test_it_resumes_bitwise(case: str, tmp_path: Path) -> None:
    assert_resumes(tmp_path, [*RUNS[case], *QUICK])


@pytest.mark.parametrize("case", RUNS)
def test_every_calculus_gives_the_same_step(case: str) -> None:
    model, feed, streams = learner(*RUNS[case], "runtime.precision=fp64")
    state, drawn = trained(model, feed, streams, 1)[-1], model.draw(1, feed, streams)
    one, other = model.round(state, drawn), model.under(functional).round(state, drawn)
    for a, b in zip(tree_leaves(one), tree_leaves(other), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_a_step_is_that_of_backward_and_torchs_optimiser() -> None:
    lines = [*of_density("nade", "grey"), "data.pixel_range=[-1,1]", "data.binarize=threshold"]
    model, feed, streams = learner(
        *lines, "optimizer=sgd", "optimizer.generator.lr=0.2", "runtime.precision=fp64"
    )
    state, drawn = model.init(0), model.draw(0, feed, streams)
    after, traces = model.play(state, drawn)
    module = copy.deepcopy(model.density).requires_grad_()
    module.load_state_dict({k: v.clone() for k, v in (state.model.params | state.model.buffers).items()})
    optimiser = torch.optim.SGD(module.parameters(), lr=0.2)
    x = drawn.real.double() / 255
    assert set(x.unique().tolist()) == {0.0, 1.0}
    assert isinstance(module, Autoregressive)
    loss = -module.log_prob(x, drawn.noise).mean()
    loss.backward()
    optimiser.step()
    torch.testing.assert_close(traces["model"].loss, loss.detach(), rtol=1e-10, atol=1e-10)
    for name, tensor in module.named_parameters():
        torch.testing.assert_close(after.model.params[name], tensor.detach(), rtol=1e-10, atol=1e-12)


def test_samples_are_those_of_the_average_where_one_is_kept() -> None:
    constant = [
        "trick=[ema]",
        "trick.ema.decay=0.5",
        "trick.ema.half_life_images=null",
        "trick.ema.warm_up=null",
    ]
    model, feed, streams = learner(*of_density("vae", "binary"), *constant, "runtime.precision=fp64")
    states = trained(model, feed, streams, 3)
    average = states[0].model.params
    for state in states[1:]:
        average = {k: 0.5 * v + 0.5 * state.model.params[k] for k, v in average.items()}
    z = model.latents(torch.Generator().manual_seed(0), 4)

    class Generates(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.density = model.density

        def forward(self, z: Tensor) -> Tensor:
            return self.density.generate(z)

    wanted = functional_call(Generates(), {f"density.{k}": v for k, v in average.items()}, (z,))
    torch.testing.assert_close(model.sample(states[-1], z), model.ranged(wanted), rtol=1e-10, atol=1e-12)


def test_historical_averaging_and_clipping_act() -> None:
    terms = ["trick=[historical_averaging]"]
    model, feed, streams = learner(*of_density("nade", "binary"), *terms, "runtime.precision=fp64")
    state, drawn = trained(model, feed, streams, 2)[-1], model.draw(2, feed, streams)
    _, traces = model.play(state, drawn)
    parts = traces["model"].parts
    assert parts["historical_averaging"] > 0
    torch.testing.assert_close(traces["model"].loss, parts["main"] + parts["historical_averaging"])
    clip = ["trick=[gradient_clipping]", "trick.gradient_clipping.max_norm=1e-3"]
    rate = ["optimizer=sgd", "optimizer.generator.lr=1"]
    model, feed, streams = learner(*of_density("nade", "binary"), *clip, *rate, "runtime.precision=fp64")
    before, after = trained(model, feed, streams, 1)
    moves = [before.model.params[k] - v for k, v in after.model.params.items()]
    moved = torch.cat([move.flatten() for move in moves]).norm()
    torch.testing.assert_close(moved, moved.new_tensor(1e-3), rtol=1e-4, atol=0)


def test_chains_go_on_from_where_they_are_and_not_from_the_examples() -> None:
    model, feed, streams = learner(*of_density("rbm", "binary"), "loss=pcd", "runtime.precision=fp64")
    state, drawn = trained(model, feed, streams, 1)[-1], model.draw(1, feed, streams)
    assert state.memory.shape == (6, 256)
    # Weights so large that where a chain goes depends on where it is.
    player = state.model
    large = {k: 100 * v if k == "weight" else 0 * v for k, v in player.params.items()}
    sweeps, _ = drawn.noise
    after, _ = model.play(state._replace(model=player._replace(params=large)), drawn)

    def swept(v: Tensor) -> Tensor:
        h = (v @ large["weight"].T).sigmoid() > sweeps[:, 0, :8]
        offset = h.double() @ large["weight"] + player.buffers["base"]
        return cast("Tensor", sweeps[:, 0, 8:] < offset.sigmoid()).double()

    assert torch.equal(after.memory, swept(state.memory))
    assert not torch.equal(after.memory, swept(drawn.real.flatten(1).double() / 255))
    model, *_ = learner(*RUNS["cd"])
    assert model.init(0).memory == ()


def test_the_classes_are_those_of_the_examples() -> None:
    model, feed, streams = learner(*RUNS["classes"], "runtime.precision=fp64")
    state, drawn = model.init(0), model.draw(0, feed, streams)
    assert torch.equal(drawn.label[0], feed.labels(0))
    other = drawn._replace(label=((drawn.label[0] + 1) % 10,))
    losses = [model.play(state, batch)[1]["model"].loss for batch in (drawn, other)]
    assert losses[0] != losses[1]
    assert model.condition == 10
    (sheet,) = (s for name, s in model.exhibits(state, model.prepare(drawn.real), torch.Generator()).items()
                if name == "classes")  # fmt: skip
    assert len(sheet.images) == 10 * sheet.columns


REFUSED = {
    "critic_steps=2": "^critic_steps=2: this model has no critic; use critic_steps=1$",
    "metric=[inversion]": "^metric=inversion: it needs samples that are smooth",
    "metric=[nll] data.binarize=none": "take data.binarize=threshold",
    "loss=hinge": "^loss: Hinge is for two players",
}


@pytest.mark.parametrize("line", REFUSED)
def test_refused(line: str) -> None:
    with pytest.raises(InputError, match=REFUSED[line]) as refused:
        built(*of_density("made", "binary"), *line.split())
    assert "\n" not in str(refused.value)
