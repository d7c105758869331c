"""The evidence lower bound."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan_cli.checks import nonnegative
from gan_cli.criteria.base import Call, Criterion, Value, fitting
from gan_cli.densities.vae import VariationalAutoencoder, kl_to_prior
from gan_cli.types import Noise, Tree


@dataclass(frozen=True)
class ELBO(Criterion):
    """E[−ln p(x|z) + β KL(q(z|x) ‖ p(z))], z = μ(x) + e^{v(x)/2} ε by one ε ~ N(0, I) an example.

    β = 1 is the bound −ELBO ≥ −ln p(x) (Kingma & Welling 2014, Eqs. 7 and 10, with one sample), another β is
    Higgins et al. 2017, Eq. 4. Shown are the means of ln p(x|z), `reconstruction`, of KL and of their
    difference, `elbo`, in nats whatever β is. Raises ValueError for β < 0.
    """

    beta: float = 1.0

    def __post_init__(self) -> None:
        nonnegative(beta=self.beta)

    def check(self, model: nn.Module) -> None:
        latent_size(model)

    def draw(
        self, model: nn.Module, batch_size: int, generator: torch.Generator, dtype: torch.dtype
    ) -> Noise:
        size = (batch_size, latent_size(model))
        return torch.randn(size, generator=generator, dtype=dtype, device=generator.device)

    def value(self, call: Call, x: Tensor, label: tuple[Tensor, ...], memory: Tree, noise: Noise) -> Value:
        mean, log_variance = call("encode", x, *label)
        z = mean + (0.5 * log_variance).exp() * noise
        reconstruction, kl = call("log_conditional", x, z, *label), kl_to_prior(mean, log_variance)
        shown = {
            "reconstruction": reconstruction.mean(),
            "kl": kl.mean(),
            "elbo": (reconstruction - kl).mean(),
        }
        return Value((self.beta * kl - reconstruction).mean(), shown, memory)


def latent_size(model: nn.Module) -> int:
    """Z of a variational autoencoder. Raises ValueError for another model."""
    found: VariationalAutoencoder = fitting(model, VariationalAutoencoder, "an autoencoder (vae, vae_conv)")
    return found.latent
