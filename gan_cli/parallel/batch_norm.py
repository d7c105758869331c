"""Layers that look at the whole batch, of which each process holds some rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gan_cli.layers.base import replaced
from gan_cli.layers.minibatch_discrimination import Closeness
from gan_cli.parallel import collectives

BatchNorm = nn.modules.batchnorm._BatchNorm


class SharedBatchNorm(BatchNorm):
    """BatchNorm by the mean and variance of all processes' rows; evaluation as ever.

    Each process has as many rows. With its own mean μᵣ and variance σᵣ² and any constant s, μ = (1/R)Σ μᵣ and
    σ² = (1/R)Σ(σᵣ² + (μᵣ − s)²) − (μ − s)²; s is the running mean, so near to μ that the difference does not
    cancel. torch.nn.SyncBatchNorm wants a GPU and cannot be differentiated twice.
    """

    def __init__(self, like: BatchNorm):
        super().__init__(like.num_features, like.eps, like.momentum, like.affine, like.track_running_stats)
        for name, own in (*like.named_parameters(), *like.named_buffers()):
            setattr(self, name, own)
        self.train(like.training)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        # As BatchNorm does, statistics in single precision at least.
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        axes = [0, *range(2, x.ndim)]
        own_variance, own_mean = torch.var_mean(wide, axes, correction=0)
        about = 0.0 if self.running_mean is None else self.running_mean.to(wide.dtype)
        mean, second = collectives.mean([own_mean, own_variance + (own_mean - about).square()])
        variance = (second - (mean - about).square()).clamp(min=0)  # whatever rounding leaves of it
        self._remember(mean.detach(), variance.detach(), x.numel() // x.shape[1])
        shape = [1, -1, *(1 for _ in x.shape[2:])]
        scale = torch.rsqrt(variance + self.eps)
        if self.affine:
            scale = scale * self.weight
        y = (wide - mean.view(shape)) * scale.view(shape)
        return (y + self.bias.view(shape) if self.affine else y).to(x.dtype)

    def _remember(self, mean: Tensor, variance: Tensor, own: int) -> None:
        """The running mean, and that of the unbiased variance: `own` numbers a channel on each process."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        count = own * torch.distributed.get_world_size()
        self.num_batches_tracked = self.num_batches_tracked + 1
        rate = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
        unbiased = variance * (count / (count - 1))
        self.running_mean = self.running_mean + rate * (mean.to(self.running_mean.dtype) - self.running_mean)
        self.running_var = self.running_var + rate * (unbiased.to(self.running_var.dtype) - self.running_var)

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - torch's name
        """Any number of dimensions from 2 on."""


def synchronised(network: nn.Module) -> nn.Module:
    """The fresh network with each BatchNorm in it a shared one."""
    found = {name: m for name, m in network.named_modules() if isinstance(m, BatchNorm)}
    for name, norm in found.items():
        network = replaced(network, name, SharedBatchNorm(norm))
    return network


def compared_with_all(network: nn.Module) -> nn.Module:
    """The fresh network, whose minibatch discrimination compares an example with all processes' examples."""
    for layer in network.modules():
        if isinstance(layer, Closeness):
            layer.gathered = collectives.gathered
    return network


def mixing(network: nn.Module) -> list[str]:
    """The kinds of layers that mix the batch and are not known here."""
    return [
        type(layer).__name__
        for layer in network.modules()
        if getattr(layer, "mixes_batch", False) and not isinstance(layer, Closeness)
    ]


def running(network: nn.Module) -> list[str]:
    """The names of all statistics that BatchNorm keeps in the network."""
    norms = {name: m for name, m in network.named_modules() if isinstance(m, BatchNorm)}
    kept = ("running_mean", "running_var")
    return [f"{name}.{k}" if name else k for name, m in norms.items() for k in kept if k in m._buffers]
