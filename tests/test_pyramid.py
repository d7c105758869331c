"""A pyramid of games: its arithmetic, its levels by themselves, and what a level may have for itself."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from gan_cli.data.feed import Feed
from gan_cli.errors import InputError
from gan_cli.laplacian import analysed, sides, synthesised, up
from gan_cli.losses.gan_ns import NonSaturating
from gan_cli.losses.hinge import Hinge
from gan_cli.models.lapgan import Critic
from gan_cli.pyramid import LevelStreams, Pyramid
from gan_cli.streams import Streams
from gan_cli.transforms.sgd import SGD
from gan_cli.types import GameState
from tests.test_combinations import built
from tests.test_resume import assert_resumes

CPU = torch.device("cpu")
SMALL = [
    *["data=fake", "data.size=28", "data.count=40", "model=lapgan", "model.width=4", "batch_size=4"],
    *["device=cpu", "sample_every=0"],
]


def pyramid(*more: str) -> tuple[Pyramid, Feed, Streams]:
    made = built(*SMALL, *more)
    assert isinstance(made.plain, Pyramid)
    streams = Streams(made.seed, CPU)
    return made.plain, Feed(made.dataset, 4, streams, CPU), streams


@pytest.mark.parametrize("side", [8, 9, 13, 16, 17, 28, 31, 32, 45, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_analysed_is_synthesised(side: int, channels: int) -> None:
    x = torch.randn(2, channels, side, side, dtype=torch.float64)
    levels = analysed(x, sides(side))
    assert [level.shape for level in levels] == [(2, channels, s, s) for s in sides(side)]
    torch.testing.assert_close(synthesised(levels), x, rtol=0, atol=1e-13)


def test_the_sides_of_the_usual_images() -> None:
    assert [sides(side) for side in (32, 28, 64)] == [(8, 16, 32), (8, 14, 28), (8, 16, 32, 64)]


@dataclass
class Residuals:
    """Level `number` of the images of a feed, and the blurred images that go with it."""

    feed: Feed
    levels: tuple[int, ...]
    number: int

    def batch(self, number: int) -> Tensor:
        return analysed(self._images(number), self.levels)[self.number]

    def labels(self, number: int) -> Tensor:
        image = self._images(number)
        for side in reversed(self.levels[self.number - 1 : -1]):
            image = torch.nn.functional.adaptive_avg_pool2d(image, side)
        return up(image, self.levels[self.number]).flatten(1)

    def _images(self, number: int) -> Tensor:
        return self.feed.batch(number).double() / 127.5 - 1


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_level_is_the_game_that_it_is_alone_on_its_residuals(number: int) -> None:
    whole, feed, streams = pyramid("runtime.precision=fp64", "trick=[instance_noise]", "critic_steps=2")
    state = whole.init(0)
    game, side = whole.levels[number], whole.sides[number]
    alone: GameState = state.levels[number]
    source = Residuals(feed, whole.sides, number)
    for step in range(3):
        state, traces = whole.play(state, whole.draw(step, feed, streams))
        alone, own = game.play(alone, game.draw(step, source, LevelStreams(streams.seed, CPU, side)))
        torch.testing.assert_close(
            traces[f"levels/{number}/critic"].loss, own["critic"].loss, rtol=1e-5, atol=1e-6
        )
    for player in ("generator", "critic"):
        for name, tensor in getattr(alone, player).params.items():
            torch.testing.assert_close(
                tensor, getattr(state.levels[number], player).params[name], rtol=1e-4, atol=1e-5
            )


def test_the_levels_are_independent() -> None:
    (one, feed, streams), (other, *_) = pyramid(), pyramid("+loss@model.levels.14.loss=hinge")
    ends = []
    for whole in (one, other):
        state = whole.init(0)
        for step in range(2):
            state, _ = whole.play(state, whole.draw(step, feed, streams))
        ends.append(state.levels)
    same = [
        all(torch.equal(a.critic.params[k], b.critic.params[k]) for k in a.critic.params)
        for a, b in zip(*ends, strict=True)
    ]
    assert same == [True, False, True]


def test_a_level_may_have_its_own_loss_tricks_and_networks() -> None:
    whole, *_ = pyramid(
        *["+loss@model.levels.14.loss=hinge", "+trick@model.levels.14.trick.r1=r1"],
        *["+model.levels.14.generator.width=6", "+model.levels.28.critic_steps=2", "loss=gan_ns"],
        *["trick=[gradient_clipping]", "+optimizer@model.levels.8.optimizer=sgd"],
    )
    assert [type(game.loss) for game in whole.levels] == [NonSaturating, Hinge, NonSaturating]
    assert [[term.name for term in game.critic.terms] for game in whole.levels] == [[], ["r1"], []]
    assert [game.critic_steps for game in whole.levels] == [1, 1, 2]
    widths = [next(iter(game.generator.network.module.parameters())).shape for game in whole.levels]
    assert widths[1][0] == 6
    assert widths[2][0] == 4
    links = [getattr(game.generator.transform, "transforms", ()) for game in whole.levels]
    assert [any(isinstance(link, SGD) for link in chain) for chain in links] == [True, False, False]


def test_what_a_level_says_is_merged_into_the_run_s() -> None:
    whole, *_ = pyramid(
        *["trick=[r1,packing,ema]", "optimizer=adam", "+trick@model.levels.14.trick.r2=r2"],
        *["+model.levels.8.trick.r1=null", "+model.levels.28.trick.r1.gamma=3"],
        *["+model.levels.28.optimizer.critic.lr=0.5", "loss=fgan_alpha"],
        "+model.levels.14.loss.divergence.alpha=0.25",
    )
    losses: list[Any] = [game.loss for game in whole.levels]
    run = losses[0].divergence.alpha
    assert [loss.divergence.alpha for loss in losses] == [run, 0.25, run] != [run] * 3
    terms = [[term.name for term in game.critic.terms] for game in whole.levels]
    assert terms == [[], ["r1", "r2"], ["r1"]]
    assert [getattr(game.critic.terms[0], "gamma", None) for game in whole.levels[1:]] == [1, 3]
    chains = [getattr(game.critic.transform, "transforms", (game.critic.transform,)) for game in whole.levels]
    rates = [next(link.lr for link in chain if hasattr(link, "lr")) for chain in chains]
    assert rates[0] == rates[1] != rates[2] == 0.5
    assert [game.packing for game in whole.levels] == [2, 2, 2]


REFUSED = {
    "+loss@model.levels.15.loss=hinge": r"levels\.15: there is no such level; their sides are 8, 14, 28",
    "+model.levels.14.los=1": r"there is no key model\.levels\.14\.los.*loss",
    "+model.levels.14.generator.widht=6": "widht",
    "+model.levels.14.critic_steps=0": r"model\.levels\.14\.critic_steps",
    "+model.levels.14.loss=hinge": r"model\.levels\.14\.loss='hinge' holds no settings; .*\+loss@model",
    "+loss@model.levels.14.loss=nll": "at the level of 14 pixels: loss: ",
    "+model.levels.14=3": r"model\.levels\.14=3 holds no settings",
    "model.levels=3": r"model\.levels=3 holds no levels",
    "+model.levels.14.generator=3": r"change one with \+model\.levels\.14\.generator\.<setting>=",
    "+model.levels.14.optimizer.critic.lrr=1": r"no key model\.levels\.14\.optimizer\.critic\.lrr .*'lr'",
    "+model.levels.14.optimizer.criticc.lr=1": r"no key model\.levels\.14\.optimizer\.criticc .*'critic'",
    "+model.levels.14.optimizer.critic=3": r"levels\.14\.optimizer\.critic=3 holds no settings",
    "+model.levels.14.trick.r1.gamma=3": r"there is no key model\.levels\.14\.trick\.r1",
    "trick=[r1] +model.levels.14.trick.r11=null": r"no key model\.levels\.14\.trick\.r11 .*'r1'",
    "trick=[r1] +model.levels.14.trick.r1=3": r"trick\.r1=3 holds no settings",
    "+model.levels.14.critic.widht=6": r"no key model\.levels\.14\.critic\.widht .*'width'",
    "trick=[packing] batch_size=5": "batch_size=5",
}


@pytest.mark.parametrize("line", REFUSED)
def test_refused(line: str) -> None:
    with pytest.raises(InputError, match=REFUSED[line]) as refused:
        built(*SMALL, *line.split())
    assert "\n" not in str(refused.value)


def test_a_sample_goes_through_all_levels_and_is_differentiable() -> None:
    whole, *_ = pyramid("runtime.precision=fp64")
    state = whole.init(0)
    z = whole.latents(torch.Generator().manual_seed(0), 3).requires_grad_()
    assert z.shape == (3, 100 + 14**2 + 28**2)
    x = whole.sample(state, z)
    assert x.shape == (3, 1, 28, 28)
    (slope,) = torch.autograd.grad(x.sum(), z)
    assert all(part.abs().sum() > 0 for part in slope.split([100, 14**2, 28**2], 1))
    shown = whole.exhibits(state, x.detach(), torch.Generator())
    assert [sheet.images.shape[-1] for sheet in shown.values()] == [8, 14, 28]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_finer_level_adds_its_residual_to_the_blurred_image_that_it_was_told(channels: int) -> None:
    whole, feed, streams = pyramid("runtime.precision=fp64", f"data.channels={channels}")
    state = whole.init(0)
    for step in range(2):  # BatchNorm's statistics are others than at the start
        state, _ = whole.play(state, whole.draw(step, feed, streams))
    latent = whole.latents(torch.Generator().manual_seed(0), 3)
    parts = latent.split([100, 14**2, 28**2], 1)
    for number, (game, level, z) in enumerate(zip(whole.levels, state.levels, parts, strict=True)):
        tensors = {**level.generator.params, **level.generator.buffers}
        evaluated = copy.deepcopy(game.generator.network.module).eval()
        if number == 0:
            image = functional_call(evaluated, tensors, (z,))
            continue
        side = whole.sides[number]
        blurred = torch.nn.functional.interpolate(image, size=side, mode="bilinear", align_corners=False)
        body = {name.removeprefix("body."): tensor for name, tensor in tensors.items()}
        told = torch.cat([z.reshape(3, 1, side, side), blurred], 1)
        image = blurred + functional_call(evaluated.get_submodule("body"), body, (told,))
    torch.testing.assert_close(whole.sample(state, latent), image, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_critic_of_residuals_sees_each_beside_the_sharp_image(channels: int) -> None:
    critic, read = Critic((channels, 14, 14), width=4), []
    critic.body.register_forward_pre_hook(lambda _, given: read.append(given[0]))
    residual, blurred = torch.randn(2, 5, channels, 14, 14)
    critic(residual, blurred.flatten(1))
    (found,) = read
    torch.testing.assert_close(found, torch.cat([residual, residual + blurred], 1), rtol=0, atol=0)


def test_it_resumes_bitwise(tmp_path: Path) -> None:
    own = ["+trick@model.levels.14.trick.r1=r1", "+trick@model.levels.28.trick.ema=ema", "trick=[lecam]"]
    assert_resumes(tmp_path, [*SMALL, *own, "critic_steps=2"])
