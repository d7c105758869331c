"""A game small enough to follow by hand: a linear generator, a linear critic, gradients written out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from gan_cli import checkpoint
from gan_cli.data.base import Dataset, ImageSet, Table
from gan_cli.data.synthetic import Ring
from gan_cli.learner import Critique, Source
from gan_cli.losses.base import Loss
from gan_cli.observers.base import Observer, Run, Settings
from gan_cli.observers.defaults import default_observers
from gan_cli.streams import Streams
from gan_cli.types import Batch, GameRound, GameState, Params, Player, Sheet, Trace

CPU = torch.device("cpu")
BATCH = 16


class ToyLoss(Loss):
    """min_G max_w E V(x) − E V(G(z)), whose score is taken for ln p/q."""

    @property
    def divergence_name(self) -> str:
        return "the distance of the means"

    def critic(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake - real

    def generator(self, real: Tensor, fake: Tensor) -> Tensor:
        return -fake

    def bound(self, real: Tensor, fake: Tensor) -> Tensor:
        return (real - fake).mean()

    def log_ratio(self, score: Tensor) -> Tensor | None:
        return score

    def optimal_score(self, log_ratio: Tensor) -> Tensor | None:
        return log_ratio


class RawLoss(ToyLoss):
    """The same, whose score stands for no density ratio."""

    def log_ratio(self, score: Tensor) -> Tensor | None:
        return None


@dataclass(frozen=True)
class Bad:
    """What goes wrong: `what` ("term", "gradient", "update", "score") at step `step`, becoming `value`."""

    what: str = ""
    step: int = 0
    value: float = float("nan")
    move: int = 0


@dataclass(frozen=True)
class Toy:
    """G(z) = zA + b and V(x) = w·x + c, each moved by momentum; the critic has a penalty term."""

    shape: tuple[int, ...] = (2,)
    size: int = 3
    critic_steps: int = 1
    bad: Bad = Bad()
    loss: Loss = field(default_factory=ToyLoss)

    def init(self, seed: int, device: torch.device = CPU) -> GameState:
        generator = torch.Generator().manual_seed(seed)
        d = prod(self.shape)
        g = {"A": torch.randn(self.size, d, generator=generator) * 0.5, "b": torch.zeros(d)}
        c = {"w": torch.randn(d, generator=generator) * 0.1, "c": torch.zeros(())}
        players = [Player(p, {}, {"m": {k: torch.zeros_like(v) for k, v in p.items()}}) for p in (g, c)]
        return GameState(players[0], players[1], torch.zeros((), dtype=torch.int64))

    def draw(self, step: int, feed: Source, streams: Streams) -> GameRound:
        latent, reals = streams.at("latent", step), [feed.batch(step)] * (self.critic_steps + 1)
        batches = [Batch(real, torch.randn(BATCH, self.size, generator=latent)) for real in reals]
        return GameRound(tuple(batches[:-1]), batches[-1])

    def play(self, state: GameState, batches: GameRound) -> tuple[GameState, dict[str, Trace]]:
        number, critic = int(state.step) + 1, state.critic
        for move, batch in enumerate(batches.critic):
            value = self.bad.value if (self.bad.step, self.bad.move) == (number, move) else 0.0
            critic, critic_trace = self._critic(critic, state.generator.params, batch, value)
        generator, trace = self._generator(state.generator, critic.params, batches.generator)
        return GameState(generator, critic, state.step + 1), {"critic": critic_trace, "generator": trace}

    def beginnings(self, batches: GameRound) -> list[GameRound]:
        return [batches._replace(critic=batches.critic[: i + 1]) for i in range(len(batches.critic))]

    def _critic(self, player: Player, g: Params, batch: Batch, bad: float) -> tuple[Player, Trace]:
        x, fake = batch.real.flatten(1).float(), batch.latent @ g["A"] + g["b"]
        w, planted = player.params["w"], {self.bad.what: bad}
        v, u = x @ w + player.params["c"] + planted.get("score", 0.0), fake @ w + player.params["c"]
        parts = {"main": (u - v).mean(), "penalty": 0.1 * w.square().sum() + planted.get("term", 0.0)}
        gradient = {"w": fake.mean(0) - x.mean(0) + 0.2 * w, "c": torch.zeros(())}
        gradient["w"] = gradient["w"] + planted.get("gradient", 0.0)
        trace = Trace(parts["main"] + parts["penalty"], parts, _norm(gradient), v, u)
        moved = _move(player, gradient)
        params = moved.params | {"c": moved.params["c"] + planted.get("update", 0.0)}
        return moved._replace(params=params), trace

    def _generator(self, player: Player, c: Params, batch: Batch) -> tuple[Player, Trace]:
        u = (batch.latent @ player.params["A"] + player.params["b"]) @ c["w"] + c["c"]
        loss = -u.mean()
        gradient = {"A": -torch.outer(batch.latent.mean(0), c["w"]), "b": -c["w"]}
        return _move(player, gradient), Trace(loss, {"main": loss}, _norm(gradient), u.new_zeros(0), u)

    def measure(self, traces: dict[str, Trace]) -> dict[str, Tensor]:
        c, g = traces["critic"], traces["generator"]
        return {
            "critic/loss": c.loss,
            "generator/loss": g.loss,
            "critic/gradient_norm": c.gradient_norm,
            "generator/gradient_norm": g.gradient_norm,
            "critic/penalty": c.parts["penalty"],
            "divergence/bound": (c.real - c.fake).mean(),
        }

    def sample(self, state: GameState, latent: Tensor) -> Tensor:
        p = state.generator.params
        return (latent @ p["A"] + p["b"]).reshape(-1, *self.shape)

    def latents(self, generator: torch.Generator, n: int) -> Tensor:
        return torch.randn(n, self.size, generator=generator)

    @property
    def latent_kind(self) -> Literal["normal", "uniform"]:
        return "normal"

    condition, smooth = 0, True
    headline = ("divergence/bound", "generator/loss", "critic/loss")

    def exhibits(self, state: GameState, x: Tensor, generator: torch.Generator) -> dict[str, Sheet]:
        return {}

    def critique(self, state: GameState, x: Tensor) -> Critique:
        score = x.flatten(1) @ state.critic.params["w"] + state.critic.params["c"]
        ratio = self.loss.log_ratio(score)
        return Critique(score, False) if ratio is None else Critique(ratio, True)


def _norm(gradient: Params) -> Tensor:
    return torch.cat([g.flatten() for g in gradient.values()]).square().sum().sqrt()


def _move(player: Player, gradient: Params) -> Player:
    m = {k: 0.5 * player.memory["m"][k] + g for k, g in gradient.items()}
    params = {k: p - 0.05 * m[k] for k, p in player.params.items()}
    return player._replace(params=params, memory={"m": m})


@dataclass(frozen=True, kw_only=True)
class Noise(ImageSet):
    """Forty grey images that fade from left to right."""

    size: int = 8
    channels: Any = 1

    def load(self) -> Table:
        images = np.empty((40, self.channels, self.size, self.size), np.uint8)
        images[:] = np.linspace(0, 255, self.size, dtype=np.uint8)
        return Table(images // np.arange(1, 41, dtype=np.uint8)[:, None, None, None])


SETTINGS = Settings(log_every=5, sample_every=10, checkpoint_every=20, evaluate_every=30, keep_checkpoints=2)


def make_run(folder: Path, dataset: Dataset | None = None, learner: Any = None, **changes: Any) -> Run:
    dataset = dataset or Ring(std=0.2)
    toy: Any = learner or Toy(dataset.shape)
    run = Run(
        folder=folder,
        learner=toy,
        dataset=dataset,
        data=dataset.load(),
        streams=Streams(7, CPU),
        seed=7,
        steps=60,
        settings=SETTINGS,
        device=CPU,
        config_yaml="seed: 7\nbatch_size: 16\n",
        config={"seed": 7, "batch_size": BATCH, "runtime": {"compile": False}, "model": {"name": "toy"}},
    )
    return dataclasses.replace(run, **changes)


class Reals:
    """Points around 1, batch by batch."""

    def __init__(self, run: Run):
        self._run = run

    def batch(self, number: int) -> Tensor:
        size = prod(self._run.dataset.shape)
        return torch.randn(BATCH, size, generator=self._run.streams.at("real", number)) + 1

    def labels(self, number: int) -> Tensor:
        raise NotImplementedError


def rounds(run: Run, first: int, last: int) -> Iterable[tuple[int, GameRound]]:
    for step in range(first, last + 1):
        yield step, run.learner.draw(step, Reals(run), run.streams)


def advance(run: Run, state: GameState, observers: Sequence[Observer], last: int) -> GameState:
    """Start the observers and play up to step `last`, as a process does that is then killed."""
    for observer in observers:
        observer.start(run, state)
    for step, batches in rounds(run, run.start_step + 1, last):
        for observer in observers:
            observer.before(step, state, batches)
        state, traces = run.learner.play(state, batches)
        for observer in observers:
            observer.after(step, state, traces)
    return state


def begin(run: Run) -> tuple[Run, GameState]:
    """The run and its state as a process finds them: from the last good checkpoint, or the beginning."""
    assert isinstance(run.learner, Toy)
    state = run.learner.init(run.seed)
    found, _ = checkpoint.latest_good(run.folder)
    if found is None:
        return run, state
    return dataclasses.replace(run, start_step=found.step), checkpoint.restore(state, found.tensors)


def complete(run: Run) -> GameState:
    """Play the run to its end with the default observers, from where its folder is."""
    run, state = begin(run)
    observers = default_observers(run)
    state = advance(run, state, observers, run.steps)
    for observer in observers:
        observer.finish(run.steps, state, "done")
    return state
