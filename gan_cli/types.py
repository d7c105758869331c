"""The few types that everything shares.

Shape legend: B batch, C channels, H height, W width, Z latent size, D dimensions of a point.
A `Tree` is a tensor, or a tuple, named tuple or dict of trees: what `torch.utils._pytree` calls a pytree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor

Tree: TypeAlias = Any
Params: TypeAlias = dict[str, Tensor]
Buffers: TypeAlias = dict[str, Tensor]
Score: TypeAlias = Tensor
"""The critic's raw output V(x), one number an example: [B]."""
Noise: TypeAlias = Any
"""Random draws that one ingredient asked for, made before the step: a tree of tensors."""


class Rest(NamedTuple):
    """Stands where a term that acts at intervals would have drawn: it does not act in this move."""


class Player(NamedTuple):
    """One player: what it is (params, buffers) and what its optimiser and its terms remember."""

    params: Params
    buffers: Buffers
    memory: Tree
    terms: tuple[Tree, ...] = ()


State: TypeAlias = Any
"""All that a learner is between two rounds: a named tuple of trees, whose `step`, a 0-d int64 tensor, counts
them."""
Round: TypeAlias = Tree
"""All data and randomness that one round of a learner consumes."""


class GameState(NamedTuple):
    """A game between two rounds. `step` counts the generator's updates, a 0-d int64 tensor."""

    generator: Player
    critic: Player
    step: Tensor


class Batch(NamedTuple):
    """All that one move of one player consumes.

    real: raw examples, [B, C, H, W] uint8 or [B, D] float; latent: [B, Z];
    view_real, view_fake: what the views drew for either side; critic_terms, generator_terms: what each term
    of that player drew, or Rest.
    """

    real: Tensor
    latent: Tensor
    view_real: Noise = ()
    view_fake: Noise = ()
    critic_terms: tuple[Noise, ...] = ()
    generator_terms: tuple[Noise, ...] = ()


class GameRound(NamedTuple):
    """All that one round consumes: a batch for each critic step, one for the generator.

    The generator moves on the latents and real examples of the critic's last batch; its own differs from it
    in the noise alone.
    """

    critic: tuple[Batch, ...]
    generator: Batch


class Trace(NamedTuple):
    """What one move leaves behind for the observers, still on the device.

    loss: [] the player's whole objective; parts: its summands by name, each [] (of a term that acts every n
    moves its own value, n times which is in the loss, and none where it rests); gradient_norm: [];
    real, fake: the scores that the move saw, [B]; real is empty where the loss needs none.
    """

    loss: Tensor
    parts: dict[str, Tensor]
    gradient_norm: Tensor
    real: Score
    fake: Score


class Sheet(NamedTuple):
    """Images to look at, [N, C, H, W], in rows of so many columns."""

    images: Tensor
    columns: int


class LogDensity(NamedTuple):
    """ln p in nats: `of` prepared examples, [B, …] -> [B]; `error`: the standard error that all these values
    share, that of an estimated ln Z, [], else 0."""

    of: Callable[[Tensor], Tensor]
    error: Tensor | float


Play: TypeAlias = Callable[[Any, Any], tuple[Any, dict[str, Trace]]]
"""What plays a round of one learner: (state, batches) to the state after it and each player's trace."""
