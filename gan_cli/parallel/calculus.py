"""Derivatives of the mean over all processes of a function that each of them has for its own rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gan_cli.calculus import Calculus, Objective
from gan_cli.parallel import collectives
from gan_cli.types import Params, Trace, Tree


@dataclass(frozen=True)
class DataParallel:
    """∇(1/R)Σᵣ fᵣ = (1/R)Σᵣ ∇fᵣ: a calculus that averages each gradient over the processes.

    That average is differentiable itself. So a gradient inside another one, as in unrolled moves, is the
    gradient of the mean there, too, and its derivative flows back to every process.
    """

    own: Calculus

    def gradient(self, function: Objective, at: Params) -> tuple[Params, Tensor, Any]:
        gradients, value, rest = self.own.gradient(function, at)
        *means, value = collectives.mean([*gradients.values(), value])
        return dict(zip(gradients, means, strict=True)), value, rest

    def recomputed(self, function: Callable[[Tree], Tree], at: Tree) -> Tree:
        return self.own.recomputed(function, at)

    def repeated(self, move: Callable[[Tree, Tree], Tree], at: Tree, given: Tree, times: int) -> Tree:
        return self.own.repeated(move, at, given, times)

    def input_gradient(self, function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
        """∇ₓ Σᵢ f(x)ᵢ at this process's rows, which no other's scores depend on."""
        return self.own.input_gradient(function, at)

    def mean(self, x: Tensor) -> Tensor:
        return collectives.mean([x.mean(0)])[0]

    def whole(self, trace: Trace) -> Trace:
        """The means of the losses, and all processes' scores in the order of their rows."""
        scalars = torch.stack([trace.loss, *trace.parts.values()])
        row = collectives.gathered(torch.cat([scalars, trace.real, trace.fake])[None])
        numbers, real, fake = row.split([len(scalars), len(trace.real), len(trace.fake)], dim=1)
        loss, *parts = numbers.mean(0).unbind()
        named = dict(zip(trace.parts, parts, strict=True))
        return Trace(loss, named, trace.gradient_norm, real.flatten(), fake.flatten())
