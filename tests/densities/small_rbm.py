"""Machines small enough to sum over all of their states, by sums that share no code with the model."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_cli.densities.rbm import RBM


def small(visible: int = 5, hidden: int = 4, scale: float = 1.0, seed: int = 0, burn_in: int = 10) -> RBM:
    """A machine in double precision with random weights, biases and base rates."""
    model = RBM(shape=(visible,), hidden=hidden, burn_in=burn_in).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in (*model.parameters(), model.base):
            tensor.copy_(scale * torch.randn(tensor.shape, generator=generator, dtype=torch.float64))
        model.begun.fill_(1)
    return model


def states(units: int) -> Tensor:
    """All vectors of zeros and ones, [2^units, units]."""
    return torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * units)


def log_joint(model: RBM) -> Tensor:
    """ln p*(v, h) = b·v + c·h + hᵀWv at all states, [2^V, 2^H]; differentiable."""
    hidden, visible = model.weight.shape
    v, h = states(visible), states(hidden)
    b = model.visible_bias + model.base
    return (v @ b)[:, None] + (h @ model.hidden_bias)[None] + v @ model.weight.T @ h.T
