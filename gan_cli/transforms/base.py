"""Transform: gradient -> update, with a memory; composed by `chain`, whose unit is the empty chain.

An update is added to the parameters. All transforms are pure and differentiable, so that a critic's own
optimiser can be unrolled, and their hyper-parameters may be numbers or 0-d tensors.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from gan_cli.types import Params, Tree


@runtime_checkable
class Transform(Protocol):
    """One step from gradients towards an update."""

    def init(self, params: Params) -> Tree:
        """The memory before the first update."""
        ...

    def update(self, gradients: Params, memory: Tree, params: Params) -> tuple[Params, Tree]:
        """The transformed gradients (after an optimiser: what to add to params) and the new memory."""
        ...


class Place(NamedTuple):
    """Whose gradients a trick's transform takes, and when: stage < 0 before the optimiser, > 0 after it."""

    sides: tuple[Literal["generator", "critic"], ...] = ("generator", "critic")
    stage: int = -1


def placed(transform: Transform) -> Place:
    """The transform's own `place`; one that names none clips or scales both players' gradients."""
    place: Place = getattr(transform, "place", Place())
    return place


class Chain:
    """Transforms one after the other; the empty chain is the identity."""

    def __init__(self, *transforms: Transform):
        self.transforms = transforms

    def init(self, params: Params) -> tuple[Tree, ...]:
        return tuple(t.init(params) for t in self.transforms)

    def update(self, gradients: Params, memory: Tree, params: Params) -> tuple[Params, Tree]:
        after = []
        for transform, m in zip(self.transforms, memory, strict=True):
            gradients, m = transform.update(gradients, m, params)
            after.append(m)
        return gradients, tuple(after)


def chain(*transforms: Transform) -> Transform:
    """The composition tₙ ∘ … ∘ t₁."""
    return Chain(*transforms)


def apply(params: Params, updates: Params) -> Params:
    """θ + u, tensor by tensor."""
    return {k: p + updates[k] for k, p in params.items()}


def zeros(params: Params) -> Params:
    """A tree of zeros shaped like params."""
    return {k: torch.zeros_like(p) for k, p in params.items()}


def counter(params: Params) -> Tensor:
    """A step count of 0 beside the parameters: a tensor, so that runs can be stacked.

    In float64, since 1 − βᵗ cancels in float32; a 0-d tensor does not widen what it multiplies.
    """
    return torch.zeros((), dtype=torch.float64, device=next(iter(params.values())).device)


def toward(old: Tensor, new: Tensor, rate: float | Tensor) -> Tensor:
    """old + rate·(new − old): torch's lerp, which wants a rate that is a tensor in the type of the others."""
    return old.lerp(new, rate.to(old.dtype) if isinstance(rate, Tensor) else rate)


def with_decay(gradients: Params, params: Params, weight_decay: float | Tensor) -> Params:
    """g + λθ: weight decay as an L2 penalty; λ = 0 given as a number costs nothing."""
    if isinstance(weight_decay, float | int) and weight_decay == 0:
        return gradients
    return {k: g + weight_decay * params[k] for k, g in gradients.items()}
