"""Virtual batch normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from gan_cli.checks import at_least_one
from gan_cli.layers.base import replaced
from gan_cli.prior import Prior
from gan_cli.terms.base import Side
from gan_cli.walks import Kind


@dataclass(frozen=True)
class VirtualBatchNorm:
    """Each BatchNorm of the generator normalises by one fixed reference batch (Salimans et al. 2016, §3.5).

    The reference is `size` latents, drawn once from the prior and kept as a buffer. Every pass, in training
    and evaluation alike, carries them along. An example is normalised by the mean and variance of a mixture
    of itself, with weight 1/(size + 1), and of the reference, so that what becomes of it does not depend on
    the rest of its batch; scales and shifts stay those of the BatchNorm. Gradients flow through the
    reference, too.

    A pass costs (size + B)/B times as much, which is why the paper does this to the generator alone. size,
    latent ≥ 1. Raises ValueError otherwise, and for a generator without BatchNorm.
    """

    latent: int
    prior: Kind = "normal"
    size: int = 64
    side: ClassVar[Side] = "generator"

    def __post_init__(self) -> None:
        at_least_one(size=self.size, latent=self.latent)

    def into(self, network: nn.Module) -> nn.Module:
        kind = nn.modules.batchnorm._BatchNorm
        found = {name: m for name, m in network.named_modules() if isinstance(m, kind)}
        if not found:
            raise ValueError(
                "the generator has no BatchNorm that it could replace; "
                "use model=dcgan or resnet with model.generator.norm=batch, or mlp_fgan"
            )
        latents = Prior(self.latent, self.prior).draw(torch.default_generator, self.size)
        try:
            with torch.no_grad():
                network.eval()(latents[:1])
        except RuntimeError:
            raise ValueError(f"latent must be as many as the generator takes, got {self.latent}") from None
        for name, norm in found.items():
            network = replaced(network, name, _Virtual(norm, self.size))
        return _WithReference(network, latents).train()


class _WithReference(nn.Module):
    """z -> G(z), [B, …], with the reference latents ahead of z in every layer."""

    reference: Tensor

    def __init__(self, network: nn.Module, reference: Tensor):
        super().__init__()
        self.network = network
        self.register_buffer("reference", reference)

    def forward(self, z: Tensor) -> Tensor:
        y: Tensor = self.network(torch.cat([self.reference, z]))
        return y[len(self.reference) :]


class _Virtual(nn.Module):
    """Normalises [size + B, C, …], of which the first `size` are the reference, by channel."""

    weight: Tensor | None
    bias: Tensor | None

    def __init__(self, norm: nn.modules.batchnorm._BatchNorm, size: int):
        super().__init__()
        self.size, self.eps = size, norm.eps
        self.register_parameter("weight", norm.weight)
        self.register_parameter("bias", norm.bias)

    def forward(self, x: Tensor) -> Tensor:
        # As BatchNorm does, statistics in single precision at least.
        flat = x.reshape(*x.shape[:2], -1).to(torch.promote_types(x.dtype, torch.float32))
        reference, own = flat[: self.size], flat[self.size :]
        variance_r, mean_r = torch.var_mean(reference, (0, 2), correction=0, keepdim=True)
        variance_o, mean_o = torch.var_mean(own, 2, correction=0, keepdim=True)
        share = 1 / (self.size + 1)
        apart = mean_o - mean_r
        mean = mean_r + share * apart
        # Of a mixture; E[x²] − E[x]² would be the same with cancellation.
        variance = (1 - share) * variance_r + share * variance_o + share * (1 - share) * apart.square()
        y = torch.cat([self._scaled(reference, mean_r, variance_r), self._scaled(own, mean, variance)])
        if self.weight is not None and self.bias is not None:
            y = y * self.weight[:, None] + self.bias[:, None]
        return y.to(x.dtype).view_as(x)

    def _scaled(self, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        return (x - mean) * torch.rsqrt(variance + self.eps)
