"""The learner with a game a level: a Laplacian pyramid of conditional GANs (Denton et al. 2015)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from gan_cli.calculus import Calculus
from gan_cli.game import Game
from gan_cli.laplacian import analysed, synthesised, up
from gan_cli.learner import Source
from gan_cli.network import Network
from gan_cli.streams import Streams
from gan_cli.types import GameRound, GameState, Play, Sheet, Trace
from gan_cli.walks import Kind

_COLUMNS = 8


class PyramidState(NamedTuple):
    """All games between two rounds, the coarsest first; `step` counts rounds, a 0-d int64 tensor."""

    levels: tuple[GameState, ...]
    step: Tensor


class PyramidRound(NamedTuple):
    """A round of each game."""

    levels: tuple[GameRound, ...]


@dataclass(frozen=True)
class Pyramid:
    """Games at the levels of a Laplacian pyramid, the coarsest first, each trained by itself on real ones.

    The coarsest is a GAN of small images. Each other's generator makes a residual h from noise and the
    blurred image l that the residual sharpens, and its critic is told l (Denton et al. 2015, section 3.2). A
    sample goes from coarse to fine through all of them. sides: of the levels' images, [C, side, side];
    prepare: raw examples to the range of the pixels.
    """

    levels: tuple[Game, ...]
    sides: tuple[int, ...]
    prepare: Callable[[Tensor], Tensor]

    smooth = True
    condition = 0

    @property
    def headline(self) -> tuple[str, ...]:
        """Those of all games."""
        pairs = zip(self.sides, self.levels, strict=True)
        return tuple(f"{side}/{name}" for side, game in pairs for name in game.headline)

    @property
    def batch_size(self) -> int:
        """Examples in each batch."""
        return self.levels[0].batch_size

    @property
    def batches_a_round(self) -> int:
        """Those of the game that takes most."""
        return max(game.critic_steps for game in self.levels)

    @property
    def moves(self) -> int:
        """Those of all games."""
        return sum(game.moves for game in self.levels)

    @property
    def dtype(self) -> torch.dtype:
        """That of all games."""
        return self.levels[0].dtype

    @property
    def calculus(self) -> Calculus:
        """That of all games."""
        return self.levels[0].calculus

    @property
    def networks(self) -> tuple[Network, ...]:
        """Those of all games."""
        return tuple(network for game in self.levels for network in game.networks)

    @property
    def latent_kind(self) -> Kind:
        """The priors' kind."""
        return self.levels[0].latent_kind

    def init(self, seed: int, device: torch.device | str = "cpu") -> PyramidState:
        """The state before the first round, a function of the seed: each game by a seed of its own."""

        def own(side: int) -> int:
            return int.from_bytes(
                hashlib.blake2b(f"{seed}/{side}".encode(), digest_size=4).digest(), "little"
            )

        states = tuple(
            game.init(own(side), device) for side, game in zip(self.sides, self.levels, strict=True)
        )
        return PyramidState(states, torch.zeros((), dtype=torch.int64, device=device))

    def draw(self, step: int, feed: Source, streams: Streams) -> PyramidRound:
        """All data and randomness of round `step`: games with as many critic steps see the same images."""

        @cache
        def taken_apart(batch: int) -> list[Tensor]:
            return analysed(self.prepare(feed.batch(batch)).to(self.dtype), self.sides)

        drawn = []
        for number, (side, game) in enumerate(zip(self.sides, self.levels, strict=True)):
            own = LevelStreams(streams.seed, streams.device, side)
            drawn.append(game.draw(step, _Level(taken_apart, number, side), own))
        return PyramidRound(tuple(drawn))

    def round(self, state: PyramidState, batches: PyramidRound) -> tuple[PyramidState, dict[str, Trace]]:
        """A round of each game."""
        return self._all([game.round for game in self.levels], state, batches)

    def play(self, state: PyramidState, batches: PyramidRound) -> tuple[PyramidState, dict[str, Trace]]:
        """A round of each game, as it is driven."""
        return self._all([game.play for game in self.levels], state, batches)

    def _all(
        self, plays: list[Play], state: PyramidState, batches: PyramidRound
    ) -> tuple[PyramidState, dict[str, Trace]]:
        states: list[GameState] = []
        traces: dict[str, Trace] = {}
        for number, (play, level, own) in enumerate(zip(plays, state.levels, batches.levels, strict=True)):
            after, left = play(level, own)
            states.append(after)
            traces |= {f"levels/{number}/{player}": trace for player, trace in left.items()}
        return PyramidState(tuple(states), state.step + 1), traces

    def beginnings(self, batches: PyramidRound) -> list[PyramidRound]:
        """The whole round."""
        return [batches]

    def each(self, change: Callable[[Game], Any]) -> Self:
        """The same pyramid of games changed one by one."""
        return replace(self, levels=tuple(change(game) for game in self.levels))

    def under(self, calculus: Calculus) -> Self:
        """The same games, with another way to differentiate."""
        return self.each(lambda game: game.under(calculus))

    def driven(self, driver: Callable[[Any], Play]) -> Self:
        """The same games, whose rounds are played by what the driver makes of each."""
        return self.each(lambda game: game.driven(driver))

    def measure(self, traces: dict[str, Trace]) -> dict[str, Tensor]:
        """Each game's scalars, under its side."""
        measured: dict[str, Tensor] = {}
        for number, (side, game) in enumerate(zip(self.sides, self.levels, strict=True)):
            own = {player: traces[f"levels/{number}/{player}"] for player in ("critic", "generator")}
            measured |= {f"{side}/{name}": value for name, value in game.measure(own).items()}
        return measured

    def latents(self, generator: torch.Generator, n: int) -> Tensor:
        """n draws from the priors, [n, Z₀ + Z₁ + …]."""
        return torch.cat([game.prior.draw(generator, n, self.dtype) for game in self.levels], 1)

    def sample(self, state: PyramidState, latent: Tensor) -> Tensor:
        """Images from coarse to fine, [B, C, S, S]."""
        return self._images(state, latent)[-1]

    def _images(self, state: PyramidState, latent: Tensor) -> list[Tensor]:
        """The image at each level."""
        parts = latent.split([game.prior.size for game in self.levels], 1)
        images = [self.levels[0].sample(state.levels[0], parts[0])]
        for side, game, level, z in zip(
            self.sides[1:], self.levels[1:], state.levels[1:], parts[1:], strict=True
        ):
            blurred = up(images[-1], side)
            images.append(blurred + game.sample(level, torch.cat([z.to(self.dtype), blurred.flatten(1)], 1)))
        return images

    def critique(self, state: PyramidState, x: Tensor) -> None:
        """None: no critic judges a whole image."""

    def likelihood(self, state: PyramidState, generator: torch.Generator, samples: int) -> None:
        """None: a generator's density is not known."""

    def exhibits(self, state: PyramidState, x: Tensor, generator: torch.Generator) -> Mapping[str, Sheet]:
        """Samples at each level, on their way."""
        images = self._images(state, self.latents(generator, _COLUMNS**2))
        return {
            f"level_{side}": Sheet(image, _COLUMNS) for side, image in zip(self.sides, images, strict=True)
        }


@dataclass(frozen=True)
class _Level:
    """One level's source: its residuals, and as labels the blurred images that they sharpen."""

    taken_apart: Callable[[int], list[Tensor]]
    level: int
    side: int

    def batch(self, number: int) -> Tensor:
        return self.taken_apart(number)[self.level]

    def labels(self, number: int) -> Tensor:
        return up(synthesised(self.taken_apart(number)[: self.level]), self.side).flatten(1)


@dataclass(frozen=True)
class LevelStreams(Streams):
    """The streams of one level: each purpose with the level's side before it."""

    side: int

    def at(self, purpose: str, number: int) -> torch.Generator:
        return super().at(f"{self.side}/{purpose}", number)
