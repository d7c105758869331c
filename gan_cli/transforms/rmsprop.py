"""RMSprop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from gan_cli.calculus import sqrt
from gan_cli.checks import fraction, nonnegative, positive
from gan_cli.transforms.base import toward, with_decay, zeros
from gan_cli.types import Params


class RMSpropMemory(NamedTuple):
    """Running mean of g², of g (where centred), and the velocity."""

    square: Params
    mean: Params
    velocity: Params


@dataclass(frozen=True)
class RMSprop:
    """RMSprop (Tieleman & Hinton 2012, lecture 6.5), equal to torch.optim.RMSprop.

    v ← αv + (1−α)g², u = −lr · g/(√v + ε); centred: v − ḡ² under the root; with momentum b ← μb + g/(√v + ε).

    lr > 0; alpha in [0, 1); eps, momentum, weight_decay ≥ 0. Raises ValueError for values outside.
    """

    lr: float = 5e-5
    alpha: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0
    centered: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        positive(lr=self.lr)
        fraction(alpha=self.alpha)
        nonnegative(eps=self.eps, momentum=self.momentum, weight_decay=self.weight_decay)

    def init(self, params: Params) -> RMSpropMemory:
        return RMSpropMemory(zeros(params), zeros(params) if self.centered else {}, zeros(params))

    def update(
        self, gradients: Params, memory: RMSpropMemory, params: Params
    ) -> tuple[Params, RMSpropMemory]:
        gradients = with_decay(gradients, params, self.weight_decay)
        square = {k: toward(v, gradients[k].square(), 1 - self.alpha) for k, v in memory.square.items()}
        mean = {k: toward(m, gradients[k], 1 - self.alpha) for k, m in memory.mean.items()}
        variance = (
            {k: (v - mean[k] ** 2).clamp(min=0) for k, v in square.items()} if self.centered else square
        )
        scaled = {k: g / (sqrt(variance[k]) + self.eps) for k, g in gradients.items()}
        velocity = {k: self.momentum * b + scaled[k] for k, b in memory.velocity.items()}
        return {k: -self.lr * b for k, b in velocity.items()}, RMSpropMemory(square, mean, velocity)
