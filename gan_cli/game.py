"""The two-player game: a learner made of two sides, a loss, and the order of their moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor

from gan_cli import dynamics
from gan_cli.calculus import Calculus, eager
from gan_cli.dynamics import Alternating, Order
from gan_cli.learner import Critique, Source, plain
from gan_cli.losses.base import Loss
from gan_cli.network import Network
from gan_cli.objectives import Examples, Side, averaged, drawn_terms, started
from gan_cli.prior import CLASS_COLUMNS, Prior, told
from gan_cli.streams import Streams
from gan_cli.types import Batch, Buffers, GameRound, GameState, Noise, Play, Player, Score, Sheet, Trace
from gan_cli.views.base import View, compose
from gan_cli.views.packing import pack, packed_shape
from gan_cli.walks import Kind

__all__ = ["Examples", "Game", "Prior", "Side"]


@dataclass(frozen=True)
class Game:
    """A learner with two players. It holds no tensor that training changes: those are in GameState.

    `prepare` maps raw examples to the range that the critic sees; `batch_size` examples go into each move;
    a round is critic_steps moves of the critic and one of the generator, which sees the critic `unroll`
    moves ahead; `order` says how the last two meet, and the critic judges `packing` examples at a time.
    The last `condition` entries of a latent are what both players are told of an example, such as its class.
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
    condition: int = 0
    calculus: Calculus = eager
    dtype: torch.dtype = torch.float32
    driver: Callable[[Game], Play] = plain

    # --- the Learner protocol -------------------------------------------------------------------------

    smooth = True
    headline = ("divergence/bound", "critic/accuracy", "generator/loss", "critic/loss")

    @property
    def batches_a_round(self) -> int:
        """One for each move of the critic."""
        return self.critic_steps

    @property
    def networks(self) -> tuple[Network, ...]:
        """The generator's and the critic's."""
        return (self.generator.network, self.critic.network)

    @property
    def moves(self) -> int:
        """Those of the critic, and those that the generator looks ahead."""
        return self.critic_steps + self.unroll

    def init(self, seed: int, device: torch.device | str = "cpu") -> GameState:
        """The state before the first round, a function of the seed."""
        step = torch.zeros((), dtype=torch.int64, device=device)
        generator = started("generator", self.generator, seed, device)
        return GameState(generator, started("critic", self.critic, seed, device), step)

    def draw(self, step: int, feed: Source, streams: Streams) -> GameRound:
        """All randomness and data of round `step`, each from a stream of its own."""
        latent, view, term = (streams.at(name, step) for name in ("latent", "view", "term"))
        first = step * self.critic_steps

        reals = [feed.batch(first + i) for i in range(self.critic_steps)]

        def batch(real: Tensor, z: Tensor) -> Batch:
            # A view draws for the prepared example, which has the raw one's shape.
            views = [self.view.draw(view, real.shape, self.dtype) for _ in ("real", "fake")]
            # Both players' terms: the critic moves inside the generator's move, too.
            shape, sides = packed_shape(real.shape, self.packing), (self.critic, self.generator)
            terms = [drawn_terms(side, step, term, shape, self.dtype) for side in sides]
            return Batch(real, z, *views, *terms)

        latents = [self._latent(latent, feed, first + i, len(real)) for i, real in enumerate(reals)]
        moves = tuple(batch(real, z) for real, z in zip(reals, latents, strict=True))
        return GameRound(moves, batch(reals[-1], latents[-1]))

    def _latent(self, generator: torch.Generator, feed: Source, number: int, n: int) -> Tensor:
        z = self.prior.draw_alone(generator, n, self.dtype)
        if not self.condition:
            return z
        labels = feed.labels(number)  # of the real examples: both players are told the same of either side
        return told(z, labels, self.prior.classes) if self.prior.classes else torch.cat([z, labels], 1)

    def round(self, state: GameState, batches: GameRound) -> tuple[GameState, dict[str, Trace]]:
        """One round; see `dynamics.play`."""
        return dynamics.play(self, state, batches)

    def play(self, state: GameState, batches: GameRound) -> tuple[GameState, dict[str, Trace]]:
        """One round, as it is driven."""
        return self._played(state, batches)

    def beginnings(self, batches: GameRound) -> list[GameRound]:
        """Rounds with the critic's first batch, with its first two, and so on."""
        return [batches._replace(critic=batches.critic[: i + 1]) for i in range(len(batches.critic))]

    def under(self, calculus: Calculus) -> Self:
        """The same game, with another way to differentiate."""
        return replace(self, calculus=calculus)

    def driven(self, driver: Callable[[Any], Play]) -> Self:
        """The same game, whose rounds are played by what the driver makes of it."""
        return replace(self, driver=driver)

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

    def sample(self, state: GameState, latent: Tensor) -> Tensor:
        """G(z) in evaluation mode (BatchNorm uses its running statistics), [B, …]; its average, if kept."""
        player, network = state.generator, self.generator.network
        params = averaged(self.generator, player)
        made: Tensor = network(params, player.buffers, latent.to(self.dtype), training=False)[0]
        return made

    @torch.no_grad()
    def score(self, state: GameState, x: Tensor) -> Score:
        """V(x) in evaluation mode for prepared examples x, without views, [B]; packed with copies of x."""
        player = state.critic
        x = pack(x.to(self.dtype).repeat_interleave(self.packing, 0), self.packing)
        score: Score = self.critic.network(player.params, player.buffers, x, training=False)[0]
        return score

    def critique(self, state: GameState, x: Tensor) -> Critique | None:
        """ln p/q at x where the loss reads it off the score, else the score: [B, …] -> [B].

        A pack of m copies of x has the ratio (p/q)ᵐ. A critic that must be told of x says nothing.
        """
        if self.condition:
            return None
        score = self.score(state, x)
        ratio = self.loss.log_ratio(score)
        return Critique(score, False) if ratio is None else Critique(ratio / self.packing, True)

    @property
    def latent_kind(self) -> Kind:
        """The prior's kind."""
        return self.prior.kind

    def latents(self, generator: torch.Generator, n: int) -> Tensor:
        """n draws from the prior, [n, Z]."""
        return self.prior.draw(generator, n, self.dtype)

    def likelihood(self, state: GameState, generator: torch.Generator, samples: int) -> None:
        """None: a generator's density is not known."""

    def exhibits(self, state: GameState, x: Tensor, generator: torch.Generator) -> Mapping[str, Sheet]:
        """With classes, a row of samples of each, from the same latents."""
        if not self.prior.classes:
            return {}
        latents = self.prior.of_each_class(generator, CLASS_COLUMNS, self.dtype)
        return {"classes": Sheet(self.sample(state, latents), CLASS_COLUMNS)}

    # --- what the dynamics are made of ----------------------------------------------------------------

    def generate(self, player: Player, latent: Tensor) -> tuple[Tensor, Buffers]:
        """G(z) in training mode, [B, …], and the generator's buffers after."""
        return self.generator.network(player.params, player.buffers, latent)

    def ahead(self, rival: Player, given: tuple[Player, Examples, Batch]) -> Player:
        """The critic one move ahead, against the given generator and examples."""
        generator, seen, batch = given
        return dynamics.critic_move(self, dynamics.still(rival), generator, seen, batch)[0]

    def prepared(self, batch: Batch) -> Tensor:
        """A batch's real examples in the range that the critic sees, [B, …]."""
        return self.prepare(batch.real).to(self.dtype)

    def seen(self, real: Tensor, fake: Tensor, batch: Batch, step: Tensor) -> Examples:
        """Prepared real examples and generated ones through the views, with the batch's noise."""
        return Examples(
            self.through_views(real, batch.view_real, step),
            self.through_views(fake, batch.view_fake, step),
            step,
            (pack(batch.latent[:, -self.condition :], self.packing),) if self.condition else (),
        )

    def through_views(self, x: Tensor, noise: Noise, step: Tensor) -> Tensor:
        """One side's examples as the critic sees them: through the views, then packed."""
        return pack(self.view.apply(x, noise, step), self.packing)
