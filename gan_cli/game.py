"""The two-player game: what each player sees, scores and minimises."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from gan_cli import dynamics
from gan_cli.calculus import Calculus, eager
from gan_cli.checks import at_least_one
from gan_cli.learner import Critique, Source
from gan_cli.losses.base import Loss
from gan_cli.network import Network
from gan_cli.streams import Streams
from gan_cli.terms.base import Scene, Term
from gan_cli.transforms.base import Transform
from gan_cli.types import Batch, Buffers, Noise, Params, Player, Round, Score, State, Trace
from gan_cli.views.base import View, compose


@dataclass(frozen=True)
class Prior:
    """The latent distribution: N(0, I) or U(−1, 1) in `size` dimensions. Raises ValueError for size < 1."""

    size: int
    kind: Literal["normal", "uniform"] = "normal"

    def __post_init__(self) -> None:
        at_least_one(latent=self.size)

    def draw(self, generator: torch.Generator, n: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """n latents, [n, Z], on the generator's device."""
        device = generator.device
        if self.kind == "normal":
            return torch.randn(n, self.size, generator=generator, dtype=dtype, device=device)
        return 2 * torch.rand(n, self.size, generator=generator, dtype=dtype, device=device) - 1


class Examples(NamedTuple):
    """One move's real and generated examples as the critic sees them, and the step: [B, …], [B, …], []."""

    real: Tensor
    fake: Tensor
    step: Tensor


@dataclass(frozen=True)
class Side:
    """One player's fixed half of the game: network, optimiser and the terms added to its loss."""

    network: Network
    transform: Transform
    terms: tuple[Term, ...] = ()


@dataclass(frozen=True)
class Game:
    """A learner with two players. It holds no tensor that training changes: those are in State.

    `prepare` maps raw examples to the range that the critic sees; `batch_size` examples go into each move;
    a round is critic_steps moves of the critic and one of the generator, which sees the critic `unroll`
    moves ahead.
    """

    generator: Side
    critic: Side
    loss: Loss
    prior: Prior
    prepare: Callable[[Tensor], Tensor]
    batch_size: int
    view: View = compose()
    critic_steps: int = 1
    unroll: int = 0
    calculus: Calculus = eager
    dtype: torch.dtype = torch.float32

    # --- the Learner protocol -------------------------------------------------------------------------

    def init(self, seed: int, device: torch.device | str = "cpu") -> State:
        """The state before the first round, a function of the seed."""

        def player(name: str, side: Side) -> Player:
            digest = hashlib.blake2b(f"{seed}/init/{name}".encode(), digest_size=4).digest()
            params, buffers = side.network.init(int.from_bytes(digest, "little"), device)
            terms = tuple(term.init(params) for term in side.terms)
            return Player(params, buffers, side.transform.init(params), terms)

        step = torch.zeros((), dtype=torch.int64, device=device)
        return State(player("generator", self.generator), player("critic", self.critic), step)

    def draw(self, step: int, feed: Source, streams: Streams) -> Round:
        """All randomness and data of round `step`, each from a stream of its own."""
        latent, view, term = (streams.at(name, step) for name in ("latent", "view", "term"))
        first = step * self.critic_steps
        reals = [feed.batch(first + i) for i in range(self.critic_steps)]

        def batch(real: Tensor, z: Tensor) -> Batch:
            # A view draws for the prepared example, which has the raw one's shape.
            views = [self.view.draw(view, real.shape, self.dtype) for _ in ("real", "fake")]
            # Both players' terms: the critic moves inside the generator's move, too.
            terms = [
                tuple(t.draw(term, len(real), self.dtype) for t in side.terms)
                for side in (self.critic, self.generator)
            ]
            return Batch(real, z, *views, *terms)

        latents = [self.prior.draw(latent, len(real), self.dtype) for real in reals]
        moves = tuple(batch(real, z) for real, z in zip(reals, latents, strict=True))
        return Round(moves, batch(reals[-1], latents[-1]))

    def play(self, state: State, batches: Round) -> tuple[State, dict[str, Trace]]:
        """One round; see `dynamics.play`."""
        return dynamics.play(self, state, batches)

    def measure(self, traces: dict[str, Trace]) -> dict[str, Tensor]:
        """The scalars of one round by name; works on the device, called only when they are logged."""
        measured = {}
        for name, trace in traces.items():
            measured[f"{name}/loss"] = trace.loss
            measured[f"{name}/gradient_norm"] = trace.gradient_norm
            if len(trace.parts) > 1:
                measured |= {f"{name}/{part}": value for part, value in trace.parts.items()}
        critic = traces["critic"]
        names = {"bound": "divergence/bound", "accuracy": "critic/accuracy"}
        seen = self.loss.measure(critic.real, critic.fake)
        return measured | {names.get(name, name): value for name, value in seen.items()}

    @torch.no_grad()
    def sample(self, state: State, latent: Tensor) -> Tensor:
        """G(z) in evaluation mode (BatchNorm uses its running statistics), [B, …]."""
        player = state.generator
        return self.generator.network(player.params, player.buffers, latent.to(self.dtype), training=False)[0]

    @torch.no_grad()
    def score(self, state: State, x: Tensor) -> Score:
        """V(x) in evaluation mode for prepared examples x, without views, [B]."""
        player = state.critic
        return self.critic.network(player.params, player.buffers, x.to(self.dtype), training=False)[0]

    def critique(self, state: State, x: Tensor) -> Critique:
        """ln p/q at x where the loss reads it off the score, else the score: [B, …] -> [B]."""
        score = self.score(state, x)
        ratio = self.loss.log_ratio(score)
        return Critique(score, False) if ratio is None else Critique(ratio, True)

    @property
    def latent_kind(self) -> Literal["normal", "uniform"]:
        """The prior's kind."""
        return self.prior.kind

    def latents(self, generator: torch.Generator, n: int) -> Tensor:
        """n draws from the prior, [n, Z]."""
        return self.prior.draw(generator, n, self.dtype)

    # --- what the dynamics are made of ----------------------------------------------------------------

    def generate(self, theta: Params, state: State, latent: Tensor) -> tuple[Tensor, Buffers]:
        """G(z) in training mode with the generator at theta, [B, …], and its buffers after."""
        return self.generator.network(theta, state.generator.buffers, latent)

    def prepared(self, batch: Batch) -> Tensor:
        """A batch's real examples in the range that the critic sees, [B, …]."""
        return self.prepare(batch.real).to(self.dtype)

    def seen(self, real: Tensor, fake: Tensor, batch: Batch, step: Tensor) -> Examples:
        """Prepared real examples and generated ones through the views, with the batch's noise."""
        real, fake = (
            self.view.apply(real, batch.view_real, step),
            self.view.apply(fake, batch.view_fake, step),
        )
        return Examples(real, fake, step)

    def critic_objective(
        self, params: Params, player: Player, seen: Examples, batch: Batch
    ) -> tuple[Tensor, Trace, Buffers]:
        """The critic's loss at params, E[Loss.critic] plus its terms, the trace, and its buffers after.

        Real and generated examples pass one after the other, so that each batch has its own statistics.
        """
        network = self.critic.network
        real, buffers = network(params, player.buffers, seen.real)
        fake, buffers = network(params, buffers, seen.fake)
        scene = Scene(
            params,
            seen.real,
            seen.fake,
            lambda x: network(params, player.buffers, x)[0],
            self.calculus,
            seen.step,
        )
        parts = {"main": self.loss.critic(real, fake).mean()}
        return *_total(parts, self.critic.terms, scene, player, batch.critic_terms, real, fake), buffers

    def generator_objective(
        self, theta: Params, player: Player, rival: Player, seen: Examples, batch: Batch
    ) -> tuple[Tensor, Trace]:
        """The generator's loss at theta against a fixed rival: E of Loss.generator, plus its terms; trace."""

        def score(x: Tensor) -> Score:
            return self.critic.network(rival.params, rival.buffers, x)[0]

        fake = score(seen.fake)
        real = score(seen.real) if self.loss.paired else fake.new_zeros(0)
        scene = Scene(theta, seen.real, seen.fake, score, self.calculus, seen.step)
        parts = {"main": self.loss.generator(real, fake).mean()}
        return _total(parts, self.generator.terms, scene, player, batch.generator_terms, real, fake)


def _total(
    parts: dict[str, Tensor],
    terms: tuple[Term, ...],
    scene: Scene,
    player: Player,
    drawn: tuple[Noise, ...],
    real: Score,
    fake: Score,
) -> tuple[Tensor, Trace]:
    for term, memory, noise in zip(terms, player.terms, drawn, strict=True):
        parts[term.name] = term.value(scene, memory, noise)
    total = torch.stack(tuple(parts.values())).sum() if terms else parts["main"]
    seen = {name: value.detach() for name, value in parts.items()}
    # The gradient's norm is known only to whoever takes the gradient of the total.
    return total, Trace(total.detach(), seen, total.new_zeros(()), real.detach(), fake.detach())
