"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from gan_cli.calculus import sqrt
from gan_cli.checks import fraction, nonnegative, positive
from gan_cli.leaves import laid_out
from gan_cli.transforms.base import counter, toward, with_decay, zeros
from gan_cli.types import Params


class AdamMemory(NamedTuple):
    """Running first and second moments of the gradient, the largest second moment, and the step count."""

    mean: Params
    square: Params
    largest: Params
    updates: Tensor


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1), equal to torch.optim.Adam.

    m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², u = −lr · m/(1−β₁ᵗ) / (√(v/(1−β₂ᵗ)) + ε), after g ← g + λθ.

    lr > 0; betas in [0, 1); eps ≥ 0; weight_decay λ ≥ 0 (an L2 penalty); amsgrad keeps the largest v.
    Raises ValueError for values outside.
    """

    lr: float = 2e-4
    betas: Sequence[float] = (0.5, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    amsgrad: bool = False

    def __post_init__(self) -> None:
        positive(lr=self.lr)
        if len(self.betas) != 2:
            raise ValueError(f"betas must be two numbers, got {list(self.betas)}")
        for beta in self.betas:
            fraction(betas=beta)
        nonnegative(eps=self.eps, weight_decay=self.weight_decay)

    def init(self, params: Params) -> AdamMemory:
        return AdamMemory(
            zeros(params), zeros(params), zeros(params) if self.amsgrad else {}, counter(params)
        )

    def update(self, gradients: Params, memory: AdamMemory, params: Params) -> tuple[Params, AdamMemory]:
        gradients = with_decay(gradients, params, self._coupled_decay())
        count = memory.updates + 1
        if self._at_once(memory):
            updates, memory = self._fused(gradients, memory, count)
            return self._decoupled_decay(updates, params), memory
        b1, b2 = self.betas
        mean = {k: toward(m, gradients[k], 1 - b1) for k, m in memory.mean.items()}
        square = {k: toward(v, gradients[k].square(), 1 - b2) for k, v in memory.square.items()}
        largest = {k: torch.maximum(v, square[k]) for k, v in memory.largest.items()}
        used = largest if self.amsgrad else square
        # The two corrections are moved onto m and ε, which saves passes over the parameters.
        root = (1 - b2**count).sqrt()
        rate, eps = -self.lr * root / (1 - b1**count), self.eps * root
        updates = {k: rate * m / (sqrt(used[k]) + eps) for k, m in mean.items()}
        return self._decoupled_decay(updates, params), AdamMemory(mean, square, largest, count)

    def _at_once(self, memory: AdamMemory) -> bool:
        """Whether torch's kernel can do it, in one pass that no derivative, vmap or compiler goes through."""
        if torch.compiler.is_compiling() or torch.is_grad_enabled():
            return False
        numbers = all(isinstance(x, float | int) for x in (self.lr, *self.betas, self.eps))
        return (
            numbers
            and memory.updates.device.type in ("cpu", "cuda")
            and not torch._C._are_functorch_transforms_active()
        )

    def _fused(self, gradients: Params, memory: AdamMemory, count: Tensor) -> tuple[Params, AdamMemory]:
        # The kernel walks through memory, whatever the strides are, and adds to parameters: to zeros, here.
        mean = {k: m.clone() for k, m in memory.mean.items()}
        square, largest = (
            {k: torch.empty_like(mean[k]).copy_(v) for k, v in old.items()}
            for old in (memory.square, memory.largest)
        )
        slopes = [laid_out(gradients[k], m) for k, m in mean.items()]
        updates = {k: torch.zeros_like(m) for k, m in mean.items()}
        b1, b2 = self.betas
        torch._fused_adam_(
            [*updates.values()], slopes, [*mean.values()], [*square.values()], [*largest.values()],
            [count.float()] * len(mean),
            lr=self.lr, beta1=b1, beta2=b2, eps=self.eps,
            weight_decay=0.0, amsgrad=self.amsgrad, maximize=False,
        )  # fmt: skip
        return updates, AdamMemory(mean, square, largest, count)

    def _coupled_decay(self) -> float:
        return self.weight_decay

    def _decoupled_decay(self, updates: Params, params: Params) -> Params:
        return updates


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay, u − lr·λθ, equal to torch.optim.AdamW (Loshchilov & Hutter 2019)."""

    weight_decay: float = 0.01

    def _coupled_decay(self) -> float:
        return 0.0

    def _decoupled_decay(self, updates: Params, params: Params) -> Params:
        return {k: u - self.lr * self.weight_decay * params[k] for k, u in updates.items()}
