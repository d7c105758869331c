"""The one protocol between what is trained and everything around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self

import torch
from torch import Tensor

from gan_cli.calculus import Calculus
from gan_cli.network import Network
from gan_cli.streams import Streams
from gan_cli.types import LogDensity, Play, Round, Sheet, State, Trace
from gan_cli.walks import Kind


class Source(Protocol):
    """Where raw real examples come from."""

    def batch(self, number: int, /) -> Tensor:
        """Batch `number`, [B, …]: a pure function of the seed and the number."""
        ...

    def labels(self, number: int, /) -> Tensor:
        """What both players are told of its examples: classes, int64 [B], or whatever else, [B, K].

        Raises InputError where the data have none.
        """
        ...


class Critique(NamedTuple):
    """What a critic says of points, [B]: ln p/q where its score stands for one, else the score itself."""

    values: Tensor
    is_log_ratio: bool


def plain(learner: Learner) -> Play:
    """Rounds as they stand, operation by operation."""
    return learner.round


class Learner(Protocol):
    """All that the loop and the observers know of what they train: `Game` is one.

    `round`, `play` and `measure` are pure and never make the host wait; samples are made in evaluation mode.
    """

    @property
    def batch_size(self) -> int:
        """Examples in each batch."""
        ...

    @property
    def batches_a_round(self) -> int:
        """How many batches of data a round takes."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Of parameters, latents and examples."""
        ...

    @property
    def headline(self) -> tuple[str, ...]:
        """The names of the few scalars that tell most."""
        ...

    @property
    def calculus(self) -> Calculus:
        """How its rounds differentiate."""
        ...

    @property
    def networks(self) -> Sequence[Network]:
        """The players' networks."""
        ...

    @property
    def moves(self) -> int:
        """How many moves a round takes, those ahead among them."""
        ...

    @property
    def latent_kind(self) -> Kind:
        """The prior's kind: how to walk between two latents."""
        ...

    @property
    def condition(self) -> int:
        """How many of a latent's entries, the last, say what an example is to be, such as its class."""
        ...

    @property
    def smooth(self) -> bool:
        """Whether `sample` is differentiable in the latent."""
        ...

    def init(self, seed: int, device: torch.device | str = "cpu", /) -> State:
        """The state before the first round, a function of the seed."""
        ...

    def draw(self, step: int, feed: Source, streams: Streams, /) -> Round:
        """All data and randomness of round `step`, a pure function of it."""
        ...

    def round(self, state: State, batches: Round, /) -> tuple[State, dict[str, Trace]]:
        """One round, operation by operation: the state after it, and what each player leaves behind."""
        ...

    def play(self, state: State, batches: Round, /) -> tuple[State, dict[str, Trace]]:
        """The same as it is driven: as it stands, compiled, or captured."""
        ...

    def beginnings(self, batches: Round, /) -> Sequence[Round]:
        """Rounds that end after the first move, the second, …, the whole one last."""
        ...

    def under(self, calculus: Calculus, /) -> Self:
        """The same learner, with another way to differentiate."""
        ...

    def driven(self, driver: Callable[[Any], Play], /) -> Self:
        """The same learner, whose rounds are played by what the driver makes of it."""
        ...

    def measure(self, traces: dict[str, Trace], /) -> dict[str, Tensor]:
        """The scalars of one round by name, each []."""
        ...

    def latents(self, generator: torch.Generator, n: int, /) -> Tensor:
        """n draws from the prior, [n, Z]."""
        ...

    def sample(self, state: State, latent: Tensor, /) -> Tensor:
        """Examples in the data's range, [B, …]; differentiable in the latent where the learner is smooth."""
        ...

    def critique(self, state: State, x: Tensor, /) -> Critique | None:
        """What the critic says of prepared examples x, [B, …]; None where there is no critic."""
        ...

    def likelihood(self, state: State, generator: torch.Generator, samples: int, /) -> LogDensity | None:
        """The model's ln p by `samples` samples where it is no closed form; None where there is none."""
        ...

    def exhibits(self, state: State, x: Tensor, generator: torch.Generator, /) -> Mapping[str, Sheet]:
        """Pictures of its own beside samples, by name, with prepared real images x, [B, C, H, W]."""
        ...
