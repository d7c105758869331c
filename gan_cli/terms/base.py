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

    params: of the mover; real, fake: examples as the critic sees them, [B, …]; real_score, fake_score: the
    critic's scores of them, [B], the first empty where the generator moves under a loss that needs none;
    score: the critic as it stands in this move; features: the same critic's hidden layers, see
    `Network.features`; energy: ½‖v‖² of the game's gradient field with the mover at the given params;
    calculus: how to differentiate; step: updates of the generator so far, [].
    """

    params: Params
    real: Tensor
    fake: Tensor
    real_score: Score
    fake_score: Score
    score: Callable[[Tensor], Score]
    features: Callable[[Tensor, int], Tensor]
    energy: Callable[[Params], Tensor]
    calculus: Calculus
    step: Tensor


@runtime_checkable
class Term(Protocol):
    """A summand of one player's objective, with a memory that every move of that player updates.

    One that looks at its player's parameters alone, and so needs no rival, says of_parameters = True.
    """

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

    @property
    def every(self) -> int:
        """It acts in every n-th round only, and n times as strongly (Karras et al. 2020, appendix B)."""
        ...

    def init(self, params: Params) -> Tree:
        """The memory before the first move."""
        ...

    def draw(self, generator: torch.Generator, shape: torch.Size, dtype: torch.dtype) -> Noise:
        """The randomness of one move, in which the critic sees real examples of that shape, [B, …].

        A tensor of B rows holds one for each example, as in `View.draw`.
        """
        ...

    def value(self, scene: Scene, memory: Tree, noise: Noise) -> Tensor | None:
        """The summand, []; None from a term that only remembers."""
        ...

    def update(self, memory: Tree, params: Params, real: Score, fake: Score) -> Tree:
        """The memory after the move that ended at params and saw these scores, [B]; differentiable."""
        ...


@runtime_checkable
class Averaging(Protocol):
    """A term of the generator whose memory holds an average of it, to be sampled in its stead."""

    def average(self, memory: Tree) -> Params:
        """The averaged parameters."""
        ...


class Memoryless:
    """The parts of a Term that remembers nothing and draws nothing."""

    def init(self, params: Params) -> Tree:
        return ()

    def draw(self, generator: torch.Generator, shape: torch.Size, dtype: torch.dtype) -> Noise:
        return ()

    def update(self, memory: Tree, params: Params, real: Score, fake: Score) -> Tree:
        return memory


def squared_slope(scene: Scene, x: Tensor) -> Tensor:
    """‖∇ₓV(x)‖², one number an example: [B, …] -> [B]."""
    return scene.calculus.input_gradient(scene.score, x).flatten(1).square().sum(1)
