"""The one protocol between what is trained and everything around it."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from gan_cli.streams import Streams
from gan_cli.types import Round, State, Trace


class Source(Protocol):
    """Where raw real examples come from."""

    def batch(self, number: int, /) -> Tensor:
        """Batch `number`, [B, …]: a pure function of the seed and the number."""
        ...


class Critique(NamedTuple):
    """What a critic says of points, [B]: ln p/q where its score stands for one, else the score itself."""

    values: Tensor
    is_log_ratio: bool


class Learner(Protocol):
    """All that the loop and the observers know of what they train: `Game` is one.

    `play` and `measure` are pure and never make the host wait; samples are made in evaluation mode.
    """

    @property
    def latent_kind(self) -> Literal["normal", "uniform"]:
        """The prior's kind: how to walk between two latents."""
        ...

    def draw(self, step: int, feed: Source, streams: Streams, /) -> Round:
        """All data and randomness of round `step`, a pure function of it."""
        ...

    def play(self, state: State, batches: Round, /) -> tuple[State, dict[str, Trace]]:
        """One round: the state after it, and what each player leaves behind."""
        ...

    def measure(self, traces: dict[str, Trace], /) -> dict[str, Tensor]:
        """The scalars of one round by name, each []."""
        ...

    def latents(self, generator: torch.Generator, n: int, /) -> Tensor:
        """n draws from the prior, [n, Z]."""
        ...

    def sample(self, state: State, latent: Tensor, /) -> Tensor:
        """Examples in the data's range, [B, …]; differentiable in the latent."""
        ...

    def critique(self, state: State, x: Tensor, /) -> Critique | None:
        """What the critic says of prepared examples x, [B, …]; None where there is no critic."""
        ...
