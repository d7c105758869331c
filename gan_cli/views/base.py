"""View: what the critic sees of an example; composed by ∘, whose unit is the identity.

A view sees real and generated examples alike, and the generator's gradient passes through it. Its
randomness is drawn before the step and passed in.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from gan_cli.types import Noise


@runtime_checkable
class View(Protocol):
    """x -> x for the critic's eyes, [B, …] -> [B, …]."""

    def draw(self, generator: torch.Generator, x: torch.Size, dtype: torch.dtype) -> Noise:
        """The randomness for one batch of that shape.

        A tensor of as many rows as the batch has examples holds one for each: where several processes share
        the batch, each gets its own rows of it. Any other tensor is for all of them.
        """
        ...

    def apply(self, x: Tensor, noise: Noise, step: Tensor) -> Tensor:
        """The batch as the critic sees it at that step, a 0-d count of the generator's updates so far."""
        ...


class Composed:
    """Views one after the other; the empty composition is the identity."""

    def __init__(self, *views: View):
        self.views = views

    def draw(self, generator: torch.Generator, x: torch.Size, dtype: torch.dtype) -> tuple[Noise, ...]:
        return tuple(view.draw(generator, x, dtype) for view in self.views)

    def apply(self, x: Tensor, noise: Noise, step: Tensor) -> Tensor:
        for view, drawn in zip(self.views, noise, strict=True):
            x = view.apply(x, drawn, step)
        return x


def compose(*views: View) -> View:
    """viewₙ ∘ … ∘ view₁."""
    return Composed(*views)
