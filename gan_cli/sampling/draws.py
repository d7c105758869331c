"""Samples of a trained generator, a part at a time, so that any number of them fits into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from gan_cli.learner import Learner
from gan_cli.sampling.latents import AT_ONCE, Latents
from gan_cli.types import State


class Part(NamedTuple):
    """Some latents [B, Z] and what the generator makes of them [B, *shape], both on the CPU."""

    latents: Tensor
    examples: Tensor


@dataclass(frozen=True)
class Maker:
    """G in evaluation mode at one state of a run."""

    learner: Learner
    state: State

    @torch.no_grad()
    def __call__(self, latents: Tensor) -> Tensor:
        """Float examples in the data's range on the CPU: [B, Z] -> [B, *shape]."""
        device = self.state.step.device
        parts = [self.learner.sample(self.state, part.to(device)) for part in latents.split(AT_ONCE)]
        return torch.cat(parts).float().cpu()

    def parts(self, latents: Latents) -> Iterator[Part]:
        """The samples of a seed without end, 64 at a time."""
        return (Part(z, self(z)) for z in latents)


def first(parts: Iterable[Part], n: int) -> Iterator[Part]:
    """The first n samples of the parts.

    >>> [len(part.latents) for part in first([Part(torch.zeros(3, 1), torch.zeros(3, 2))] * 2, 5)]
    [3, 2]
    """
    left = n
    for part in parts:
        taken = Part(part.latents[:left], part.examples[:left])
        left -= len(taken.latents)
        if len(taken.latents):
            yield taken
        if left <= 0:
            return


def joined(parts: Iterable[Part]) -> Part:
    """All parts as one. Raises ValueError where there is none."""
    found = list(parts)
    if not found:
        raise ValueError("parts must be at least one, got none")
    return Part(torch.cat([part.latents for part in found]), torch.cat([part.examples for part in found]))
