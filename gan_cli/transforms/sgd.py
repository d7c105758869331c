"""Stochastic gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from gan_cli.checks import nonnegative, positive
from gan_cli.transforms.base import counter, with_decay, zeros
from gan_cli.types import Params


class SGDMemory(NamedTuple):
    """The velocity and the step count."""

    velocity: Params
    updates: Tensor


@dataclass(frozen=True)
class SGD:
    """Gradient descent with momentum, equal to torch.optim.SGD.

    b ← μb + (1−τ)g (the first time b = g), u = −lr·b, or −lr·(g + μb) with Nesterov's momentum.

    lr > 0; momentum μ ≥ 0; dampening τ; weight_decay ≥ 0. Raises ValueError for values outside.
    """

    lr: float = 1e-2
    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        positive(lr=self.lr)
        nonnegative(momentum=self.momentum, dampening=self.dampening, weight_decay=self.weight_decay)
        if self.dampening != 0 and self.momentum == 0:
            raise ValueError(f"dampening must be 0 without momentum, got {self.dampening}")
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ValueError("nesterov must be false without momentum or with dampening, got true")

    def init(self, params: Params) -> SGDMemory:
        return SGDMemory(zeros(params), counter(params))

    def update(self, gradients: Params, memory: SGDMemory, params: Params) -> tuple[Params, SGDMemory]:
        gradients = with_decay(gradients, params, self.weight_decay)
        damping = self.dampening * torch.clamp(memory.updates, max=1.0)  # none before there is a velocity
        velocity = {k: self.momentum * b + (1 - damping) * gradients[k] for k, b in memory.velocity.items()}
        step = (
            {k: gradients[k] + self.momentum * b for k, b in velocity.items()} if self.nesterov else velocity
        )
        return {k: -self.lr * s for k, s in step.items()}, SGDMemory(velocity, memory.updates + 1)
