"""Term: something added to one player's loss; composed by Σ, whose unit is 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from gan_cli.calculus import Calculus
from gan_cli.types import Noise, Params, Score, Tree

Side = Literal["generator", "critic"]


class Scene(NamedTuple):
    """What a term may look at while a player moves.

    params: of the mover; real, fake: examples as the critic sees them, [B, …]; score: the critic as it
    stands in this move; calculus: how to differentiate; step: updates of the generator so far, [].
    """

    params: Params
    real: Tensor
    fake: Tensor
    score: Callable[[Tensor], Score]
    calculus: Calculus
    step: Tensor


@runtime_checkable
class Term(Protocol):
    """A summand of one player's objective, with a memory that every move of that player updates."""

    @property
    def name(self) -> str:
        """What its summand is called in the logs."""
        ...

    @property
    def side(self) -> Side:
        """Whose loss it is added to."""
        ...

    @property
    def per_sample(self) -> bool:
        """Whether it reads the critic example by example, which a critic that mixes the batch forbids."""
        ...

    def init(self, params: Params) -> Tree:
        """The memory before the first move."""
        ...

    def draw(self, generator: torch.Generator, batch_size: int, dtype: torch.dtype) -> Noise:
        """The randomness of one move."""
        ...

    def value(self, scene: Scene, memory: Tree, noise: Noise) -> Tensor:
        """The summand, []."""
        ...

    def update(self, memory: Tree, params: Params) -> Tree:
        """The memory after the move that ended at params."""
        ...


class Memoryless:
    """The parts of a Term that remembers nothing and draws nothing."""

    def init(self, params: Params) -> Tree:
        return ()

    def draw(self, generator: torch.Generator, batch_size: int, dtype: torch.dtype) -> Noise:
        return ()

    def update(self, memory: Tree, params: Params) -> Tree:
        return memory
