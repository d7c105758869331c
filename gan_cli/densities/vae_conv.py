"""A variational autoencoder of convolutions."""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from gan_cli.checks import at_least_one, require
from gan_cli.densities.emissions import Covariance, Decoder, emission
from gan_cli.densities.vae import VariationalAutoencoder
from gan_cli.models.base import Activation, activation
from gan_cli.models.conditional import beside
from gan_cli.models.dcgan import pyramid


class ConvVAE(VariationalAutoencoder):
    """A variational autoencoder of strided convolutions, for square images.

    4 × 4 convolutions halve the side to 4…7 pixels while the channels double from `width`; an affine map to
    μ and v follows, and the decoder goes the same way back by transposed convolutions. No normalisation, so
    that every example is by itself. A label enters the encoder as K constant planes. decoder, covariance,
    sigma as in VAE. Raises ValueError as it does, and for a shape that is no square image of side
    (4…7) · 2ⁿ, n ≥ 1.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        latent: int = 50,
        width: int = 32,
        activation: Activation = "relu",
        decoder: Decoder = "bernoulli",
        covariance: Covariance = "spherical",
        sigma: float = 0.1,
        classes: int = 0,
    ):
        square = len(shape) == 3 and shape[1] == shape[2]
        require(square, "shape", "a square image [C, S, S] (take model=vae for others)", list(shape))
        at_least_one(width=width)
        base, halvings = pyramid(shape)
        law = emission(decoder, shape[0] * shape[1] * shape[2], True, covariance, sigma)
        super().__init__(shape, latent, classes, law, decoder == "bernoulli")
        channels = [width * 2**i for i in range(halvings)]
        smallest = (channels[-1], base, base)
        units = channels[-1] * base * base
        self.encoder = nn.Sequential(
            *_down([shape[0] + classes, *channels], activation), nn.Flatten(), nn.Linear(units, 2 * latent)
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent + classes, units),
            nn.Unflatten(1, smallest),
            *_up([*reversed(channels), shape[0]], activation),
            nn.Flatten(),
        )

    def read(self, x: Tensor, *label: Tensor) -> Tensor:
        return self.encoder(beside(x, *label))  # type: ignore[no-any-return]

    def write(self, latent: Tensor) -> Tensor:
        return self.decoder(latent)  # type: ignore[no-any-return]


def _down(channels: list[int], kind: Activation) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(channels):
        layers += [nn.Conv2d(inputs, outputs, 4, 2, padding=1), activation(kind)]
    return layers


def _up(channels: list[int], kind: Activation) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(channels):
        layers += [activation(kind), nn.ConvTranspose2d(inputs, outputs, 4, 2, padding=1)]
    return layers
