"""What all processes compute together, differentiable any number of times.

Every process runs the same program on its own rows. Its tape holds the derivative of Σᵣ Lᵣ, the sum of all
processes' losses, by the tensors that it holds itself. So whatever is computed together stays an ordinary
node of one large graph, and the gradient of the mean loss is the mean of the processes' gradients.

All processes must get here in the same order: nothing above may branch on numbers or on the rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from gan_cli.errors import RunError


class Lost(RunError):
    """Another process of the run is gone, or its network."""

    def __init__(self, why: str = "it was killed or ran out of memory, or its machine or network failed"):
        super().__init__(f"another process of this run is gone: {why}")


class _Sum(torch.autograd.Function):
    """y = Σᵣ xᵣ on every process; ∂/∂xᵣ Σₛ ⟨cₛ, y⟩ = Σₛ cₛ, the same sum again."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.clone(memory_format=torch.contiguous_format)
        try:
            dist.all_reduce(y)
        except RuntimeError as error:
            raise Lost from error
        return y

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> Any:
        return _Sum.apply(cotangent)


def total(x: Tensor) -> Tensor:
    """Σᵣ xᵣ over the processes, of any shape; bitwise the same on all of them."""
    summed: Tensor = _Sum.apply(x)
    return summed


def mean(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The mean of each tensor over the processes, in one exchange."""
    flat = total(torch.cat([t.reshape(-1) for t in tensors])) / dist.get_world_size()
    parts = flat.split([t.numel() for t in tensors])
    return [part.view(t.shape) for part, t in zip(parts, tensors, strict=True)]


def gathered(x: Tensor) -> Tensor:
    """All processes' rows in the order of their ranks: [B, …] of each -> [RB, …]."""
    rank, count = dist.get_rank(), dist.get_world_size()
    before, after = (x.new_zeros(len(x) * n, *x.shape[1:]) for n in (rank, count - 1 - rank))
    return total(torch.cat([before, x, after]))
