"""Games that are told of classes: what either player hears, the projection critic, and the refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import one_hot, softplus

from gan_cli.calculus import eager, functional
from gan_cli.cli.compose import plan
from gan_cli.cli.job import experiment
from gan_cli.cli.request import parse
from gan_cli.data.feed import Feed
from gan_cli.errors import InputError
from gan_cli.game import Game
from gan_cli.models.dcgan import Critic as ConvolutionalCritic
from gan_cli.models.mlp import Critic
from gan_cli.prior import Prior
from gan_cli.streams import Streams
from gan_cli.types import GameRound, GameState
from tests.test_combinations import assert_trains, built
from tests.test_resume import assert_resumes

CPU = torch.device("cpu")
CLASSES = 3
DATA = ["data=fake", "data.size=8", "data.count=20", f"data.labels={CLASSES}"]
SMALL = ["model=mlp", "model.latent=4", "batch_size=6", "device=cpu", "sample_every=0"]
SMOOTH = [
    *[f"model.{side}.{key}" for side in ("generator", "critic") for key in ("width=5", "depth=1")],
    *["model.generator.activation=tanh", "model.critic.activation=softplus", "runtime.precision=fp64"],
]
KINDS = ["concat", "projection"]
IMAGES = ["data=fake", "data.size=16", "data.count=40", "model=dcgan", "model.width=4"]


def conditional(kind: str, *more: str) -> tuple[Game, Feed, Streams]:
    made = built(*DATA, *SMALL, *SMOOTH, f"model.condition={kind}", *more)
    streams = Streams(made.seed, CPU)
    return made.game, Feed(made.dataset, made.game.batch_size, streams, CPU), streams


def test_both_players_are_told_the_label_of_each_real_example() -> None:
    game, feed, streams = conditional("concat", "critic_steps=2")
    table = feed.data
    images, labels = torch.as_tensor(table.images), torch.as_tensor(table.labels)  # type: ignore[union-attr]
    for step in range(4):
        drawn = game.draw(step, feed, streams)
        for batch in (*drawn.critic, drawn.generator):
            same = (batch.real[:, None] == images).flatten(2).all(2)
            wanted = one_hot(labels[same.double().argmax(1)], CLASSES).double()
            assert torch.equal(batch.latent[:, -CLASSES:], wanted)
            assert batch.latent.shape == (6, 4 + CLASSES)
            prepared = game.prepared(batch)
            (heard,) = game.seen(prepared, prepared, batch, torch.tensor(step)).condition
            assert torch.equal(heard, wanted)


def test_the_projection_critic_is_its_equation() -> None:
    torch.manual_seed(0)
    critic = Critic(
        (4,), width=5, depth=2, activation="relu", classes=CLASSES, condition="projection"
    ).double()
    held = dict(critic.named_parameters())
    x, labels = torch.randn(7, 4, dtype=torch.float64), torch.arange(7) % CLASSES
    scores = critic(x, one_hot(labels, CLASSES).double())
    for row, label, score in zip(x, labels.tolist(), scores, strict=True):
        phi = row
        for layer in ("0", "2"):
            phi = (held[f"body.{layer}.weight"] @ phi + held[f"body.{layer}.bias"]).clamp(min=0)
        psi = held["body.4.weight"][0] @ phi + held["body.4.bias"][0]
        embedded = held["told.embedding.weight"][:, label]
        torch.testing.assert_close(score, psi + embedded @ phi, rtol=1e-12, atol=1e-12)


def test_concat_puts_planes_of_the_class_beside_the_pixels() -> None:
    torch.manual_seed(0)
    critic = ConvolutionalCritic((2, 16, 16), width=4, norm="none", classes=CLASSES, condition="concat")
    x, labels = torch.randn(4, 2, 16, 16), torch.tensor([2, 0, 1, 2])
    planes = torch.zeros(4, CLASSES, 16, 16)
    for row, label in enumerate(labels):
        planes[row, label] = 1
    read: list[Tensor] = []
    first = next(m for m in critic.modules() if isinstance(m, torch.nn.Conv2d))
    first.register_forward_pre_hook(lambda _, given: read.append(given[0]))
    critic(x, one_hot(labels, CLASSES).float())
    assert torch.equal(read[0], torch.cat([x, planes], 1))


def scored(game: Game, params: dict[str, Tensor], x: Tensor, label: Tensor) -> Tensor:
    result: Tensor = functional_call(game.critic.network.module, params, (x, label))
    return result


@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_penalty_looks_at_the_example_alone(kind: str) -> None:
    game, feed, streams = conditional(kind, "trick=[r1]", "trick.r1.gamma=3", "optimizer=sgd")
    state, drawn = game.init(0), game.draw(0, feed, streams)
    _, traces = game.play(state, drawn)
    x = game.prepared(drawn.critic[0]).requires_grad_()
    scores = scored(game, state.critic.params, x, drawn.critic[0].latent[:, -CLASSES:])
    (slope,) = torch.autograd.grad(scores.sum(), x)
    wanted = 3 / 2 * slope.flatten(1).square().sum(1).mean()
    torch.testing.assert_close(traces["critic"].parts["r1"], wanted, rtol=1e-10, atol=0)


def unrolled_loss(game: Game, state: GameState, drawn: GameRound, params: dict[str, Tensor]) -> Tensor:
    """E[−ln σ(V(G(z), y))] against the critic that has moved once for real and then twice ahead."""
    batch = drawn.critic[0]
    x, label = game.prepared(batch), batch.latent[:, -CLASSES:]

    def made(theta: dict[str, Tensor]) -> Tensor:
        result: Tensor = functional_call(game.generator.network.module, theta, (batch.latent,))
        return result

    def moved(critic: dict[str, Tensor], fake: Tensor) -> dict[str, Tensor]:
        critic = {k: v.detach().requires_grad_() for k, v in critic.items()}
        loss = (
            softplus(-scored(game, critic, x, label)).mean()
            + softplus(scored(game, critic, fake, label)).mean()
        )
        slopes = torch.autograd.grad(loss, list(critic.values()))
        return {k: (v - 0.1 * g).detach() for (k, v), g in zip(critic.items(), slopes, strict=True)}

    critic = moved(state.critic.params, made(state.generator.params).detach())
    fake = made(params).detach()
    for _ in range(2):
        critic = moved(critic, fake)
    return softplus(-scored(game, critic, fake, label)).mean()


@pytest.mark.parametrize("kind", KINDS)
def test_the_unrolled_gradient_is_that_of_finite_differences(kind: str) -> None:
    game, feed, streams = conditional(
        *[kind, "trick=[unrolled]", "trick.unrolled.steps=2", "optimizer=sgd", "loss=gan_ns"],
        *["optimizer.generator.lr=0.1", "optimizer.critic.lr=0.1"],
    )
    state, drawn = game.init(0), game.draw(0, feed, streams)
    after, _ = game.play(state, drawn)
    start = state.generator.params
    gradient = {k: (v - after.generator.params[k]) / 0.1 for k, v in start.items()}
    along = {k: torch.randn(v.shape, dtype=v.dtype, generator=torch.Generator().manual_seed(i))
             for i, (k, v) in enumerate(start.items())}  # fmt: skip
    h = 1e-5
    ends = [
        unrolled_loss(game, state, drawn, {k: v + s * h * along[k] for k, v in start.items()})
        for s in (1, -1)
    ]
    slope = (ends[0] - ends[1]) / (2 * h)
    inner = torch.stack([(gradient[k] * along[k]).sum() for k in start]).sum()
    torch.testing.assert_close(inner, slope, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_every_calculus_gives_the_same_round(kind: str) -> None:
    game, feed, streams = conditional(
        kind, "trick=[wgan_gp,unrolled,feature_matching]", "trick.unrolled.steps=2"
    )
    state, drawn = game.init(0), game.draw(0, feed, streams)
    one, _ = game.under(eager).play(state, drawn)
    other, _ = game.under(functional).round(state, drawn)
    for player in ("generator", "critic"):
        for name, tensor in getattr(one, player).params.items():
            torch.testing.assert_close(tensor, getattr(other, player).params[name], rtol=1e-9, atol=1e-12)


def test_the_rows_of_the_picture_of_classes_share_their_latents() -> None:
    latents = Prior(4, "normal", CLASSES).of_each_class(torch.Generator().manual_seed(0), 5, torch.float64)
    z, label = latents[:, :4].unflatten(0, (CLASSES, 5)), latents[:, 4:].unflatten(0, (CLASSES, 5))
    assert torch.equal(z, z[:1].expand_as(z))
    assert not torch.equal(z[0, 0], z[0, 1])
    for number in range(CLASSES):
        assert torch.equal(label[number], torch.eye(CLASSES, dtype=torch.float64)[number].expand(5, -1))
    game, feed, _ = conditional("concat")
    x = game.prepare(feed.batch(0))
    (sheet,) = game.exhibits(game.init(0), x, torch.Generator()).values()
    assert len(sheet.images) == CLASSES * sheet.columns


REFUSED = {
    "data=ring model=mlp model.condition=concat": "has no classes",
    "data=mixture1d model=mlp model.condition=projection": "has no classes",
    f"{' '.join(DATA)} {' '.join(SMALL)} model.condition=between": "concat",
    f"{' '.join(IMAGES)} model.condition=concat trick=[virtual_batch_norm]": "told of no class",
    "data=fake model=resnet +model.condition=concat": r"no key model\.condition",
    "data=fake model=lapgan +model.condition=concat": r"no key model\.condition",
    "data=fake model=vae model.condition=projection": "model.condition must be concat or null",
}


@pytest.mark.parametrize("line", REFUSED)
def test_refused(line: str) -> None:
    with pytest.raises(InputError, match=REFUSED[line]) as refused:
        built(*line.split(), "device=cpu")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("model", ["resnet", "maxout", "nade", "rbm"])
def test_a_yaml_of_ones_own_cannot_tell_a_network_that_takes_no_class(model: str) -> None:
    name = {"maxout": "goodfellow2014"}.get(model, model)
    config = plan(parse(["data=fake", f"model={name}", "device=cpu"])).jobs[0].config
    with pytest.raises(InputError, match="cannot be told of a class; use model=dcgan, mlp or vae"):
        experiment(config | {"model": config["model"] | {"condition": "concat"}})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("data", [[], ["data.channels=3"]])
def test_a_conditional_dcgan_trains(kind: str, data: list[str]) -> None:
    assert_trains(built(*IMAGES, *data, f"model.condition={kind}", "batch_size=6", "device=cpu"))


@pytest.mark.parametrize("kind", KINDS)
def test_it_resumes_bitwise(kind: str, tmp_path: Path) -> None:
    extra = ["trick=[unrolled,ema,r1]", "trick.unrolled.steps=1", f"model.condition={kind}"]
    assert_resumes(tmp_path, [*DATA, *SMALL, *extra])


@pytest.mark.parametrize("kind", KINDS)
def test_a_pack_has_the_labels_of_its_examples(kind: str) -> None:
    game, feed, streams = conditional(kind, "trick=[packing]", "trick.packing.samples=3", "optimizer=sgd")
    state, drawn = game.init(0), game.draw(0, feed, streams)
    _, traces = game.play(state, drawn)
    batch = drawn.critic[0]
    x, labels = game.prepared(batch), batch.latent[:, -CLASSES:]
    assert len(labels.unique(dim=0)) > 1
    packs = torch.stack([torch.cat(list(three)) for three in x.split(3)])
    told = torch.stack([torch.cat(list(three)) for three in labels.split(3)])
    wanted = scored(game, state.critic.params, packs, told)
    torch.testing.assert_close(traces["critic"].real, wanted, rtol=1e-12, atol=0)
