"""The two-player game: a learner made of two sides, a loss, and the order of their moves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import torch
from torch import Tensor

from gan_cli import dynamics
from gan_cli.calculus import Calculus, eager
from gan_cli.dynamics import Alternating, Order
from gan_cli.learner import Critique, Source
from gan_cli.losses.base import Loss
from gan_cli.objectives import Examples, Side
from gan_cli.prior import Prior
from gan_cli.streams import Streams
from gan_cli.terms.base import Averaging
from gan_cli.types import Batch, Buffers, Noise, Play, Player, Rest, Round, Score, State, Trace
from gan_cli.views.base import View, compose
from gan_cli.views.packing import pack, packed_shape

__all__ = ["Examples", "Game", "Prior", "Side"]


def plain(game: Game) -> Play:
    """Rounds as they stand, operation by operation."""
    return partial(dynamics.play, game)


@dataclass(frozen=True)
class Game:
    """A learner with two players. It holds no tensor that training changes: those are in State.

    `prepare` maps raw examples to the range that the critic sees; `batch_size` examples go into each move;
    a round is critic_steps moves of the critic and one of the generator, which sees the critic `unroll`
    moves ahead; `order` says how the last two meet, and the critic judges `packing` examples at a time.
    `driver` makes of the game the function that plays a round: as it stands, compiled, or captured.
    """

    generator: Side
    critic: Side
    loss: Loss
    prior: Prior
    prepare: Callable[[Tensor], Tensor]
    batch_size: int
    view: View = compose()
    critic_steps: int = 1
    order: Order = Alternating()
    unroll: int = 0
    recompute: bool = False
    packing: int = 1
    calculus: Calculus = eager
    dtype: torch.dtype = torch.float32
    driver: Callable[[Game], Play] = plain

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

        def drawn(side: Side, shape: torch.Size) -> tuple[Noise, ...]:
            due = [(step + 1) % t.every == 0 for t in side.terms]  # so that round n's number is a multiple
            return tuple(
                t.draw(term, shape, self.dtype) if now else Rest()
                for t, now in zip(side.terms, due, strict=True)
            )

        reals = [feed.batch(first + i) for i in range(self.critic_steps)]

        def batch(real: Tensor, z: Tensor) -> Batch:
            # A view draws for the prepared example, which has the raw one's shape.
            views = [self.view.draw(view, real.shape, self.dtype) for _ in ("real", "fake")]
            # Both players' terms: the critic moves inside the generator's move, too.
            terms = [
                drawn(side, packed_shape(real.shape, self.packing)) for side in (self.critic, self.generator)
            ]
            return Batch(real, z, *views, *terms)

        latents = [self.prior.draw(latent, len(real), self.dtype) for real in reals]
        moves = tuple(batch(real, z) for real, z in zip(reals, latents, strict=True))
        return Round(moves, batch(reals[-1], latents[-1]))

    def play(self, state: State, batches: Round) -> tuple[State, dict[str, Trace]]:
        """One round; see `dynamics.play`."""
        return self._played(state, batches)

    @cached_property
    def _played(self) -> Play:
        return self.driver(self)

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

    def sample(self, state: State, latent: Tensor) -> Tensor:
        """G(z) in evaluation mode (BatchNorm uses its running statistics), [B, …]; its average, if kept."""
        player, params = state.generator, state.generator.params
        for term, memory in zip(self.generator.terms, player.terms, strict=True):
            if isinstance(term, Averaging):
                params = term.average(memory)
        return self.generator.network(params, player.buffers, latent.to(self.dtype), training=False)[0]

    @torch.no_grad()
    def score(self, state: State, x: Tensor) -> Score:
        """V(x) in evaluation mode for prepared examples x, without views, [B]; packed with copies of x."""
        player = state.critic
        x = pack(x.to(self.dtype).repeat_interleave(self.packing, 0), self.packing)
        return self.critic.network(player.params, player.buffers, x, training=False)[0]

    def critique(self, state: State, x: Tensor) -> Critique:
        """ln p/q at x where the loss reads it off the score, else the score: [B, …] -> [B].

        A pack of m copies of x has the ratio (p/q)ᵐ.
        """
        score = self.score(state, x)
        ratio = self.loss.log_ratio(score)
        return Critique(score, False) if ratio is None else Critique(ratio / self.packing, True)

    @property
    def latent_kind(self) -> Literal["normal", "uniform"]:
        """The prior's kind."""
        return self.prior.kind

    def latents(self, generator: torch.Generator, n: int) -> Tensor:
        """n draws from the prior, [n, Z]."""
        return self.prior.draw(generator, n, self.dtype)

    # --- what the dynamics are made of ----------------------------------------------------------------

    def generate(self, player: Player, latent: Tensor) -> tuple[Tensor, Buffers]:
        """G(z) in training mode, [B, …], and the generator's buffers after."""
        return self.generator.network(player.params, player.buffers, latent)

    def ahead(self, rival: Player, given: tuple[Player, Examples, Batch]) -> Player:
        """The critic one move ahead, against the given generator and examples."""
        generator, seen, batch = given
        return dynamics.critic_move(self, rival, generator, seen, batch)[0]

    def prepared(self, batch: Batch) -> Tensor:
        """A batch's real examples in the range that the critic sees, [B, …]."""
        return self.prepare(batch.real).to(self.dtype)

    def seen(self, real: Tensor, fake: Tensor, batch: Batch, step: Tensor) -> Examples:
        """Prepared real examples and generated ones through the views, with the batch's noise."""
        return Examples(
            self.through_views(real, batch.view_real, step),
            self.through_views(fake, batch.view_fake, step),
            step,
        )

    def through_views(self, x: Tensor, noise: Noise, step: Tensor) -> Tensor:
        """One side's examples as the critic sees them: through the views, then packed."""
        return pack(self.view.apply(x, noise, step), self.packing)
