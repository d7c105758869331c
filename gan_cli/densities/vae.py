"""Variational autoencoders (Kingma & Welling 2014)."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from gan_cli.checks import at_least_one, nonnegative
from gan_cli.densities.base import Density, Knowledge
from gan_cli.densities.emissions import Covariance, Decoder, Emission, emission
from gan_cli.models.base import Activation, perceptron
from gan_cli.models.conditional import beside
from gan_cli.prior import Prior
from gan_cli.types import Sheet, Tree

AT_ONCE = 2**22
"""How many components of decoded examples importance sampling holds at a time."""
_COLUMNS = 10
_SIDE = 20


def kl_to_prior(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(μ, diag e^v) ‖ N(0, I)) = ½ Σ_j (μ_j² + e^{v_j} − 1 − v_j) in nats, [.., Z] -> [..].

    Kingma & Welling 2014, appendix B.
    """
    return 0.5 * (mean.square() + log_variance.expm1() - log_variance).sum(-1)


class VariationalAutoencoder(Density):
    """p(x) = ∫ p(x|z) N(z; 0, I) dz with an encoder q(z|x) = N(μ(x), diag e^{v(x)}).

    With classes every x has a label y, a row of the identity, [K]: the encoder reads x and y, the decoder
    [z, y], which `decode` and `generate` call the latent, [B, Z + K]; p(x) = 1/K Σ_y p(x|y).
    A network `encoder` gives [μ, v] and a network `decoder` maps latents to the emission's [D], D the number
    of an example's components.
    """

    likelihood: ClassVar[Knowledge] = "bound"

    def __init__(self, shape: Sequence[int], latent: int, classes: int, emission: Emission, binary: bool):
        super().__init__()
        at_least_one(latent=latent)
        nonnegative(classes=classes)
        self.shape, self.latent, self.classes = tuple(shape), latent, classes
        self.emission, self.binary = emission, binary
        self.prior = Prior(latent, classes=classes)

    @abstractmethod
    def read(self, x: Tensor, *label: Tensor) -> Tensor:
        """[μ, v], [B, 2Z], from examples and their labels."""

    @abstractmethod
    def write(self, latent: Tensor) -> Tensor:
        """The emission's h, [N, D], from latents, [N, Z + K]."""

    def encode(self, x: Tensor, *label: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x, y): [B, *shape] -> [B, Z] twice."""
        # Under autocast the networks give fewer digits than the sums that follow need.
        mean, log_variance = self.read(x, *label).to(x.dtype).chunk(2, 1)
        return mean, log_variance

    def decode(self, latent: Tensor) -> tuple[Tensor, ...]:
        """The parameters of p(x|z): (logits,) or (mean, σ), each [.., D], a common σ [1]."""
        return self.emission.parameters_of(self._write(latent))

    def generate(self, latent: Tensor) -> Tensor:
        """The decoder's mean E[x|z], no draw of p(x|z): [B, Z + K] -> [B, *shape]."""
        return self.emission.mean(self.write(latent)).unflatten(1, self.shape)  # type: ignore[no-any-return]

    def log_conditional(self, x: Tensor, z: Tensor, *label: Tensor) -> Tensor:
        """ln p(x|z, y) in nats: [B, *shape], [B, Z] or [B, k, Z] -> [B] or [B, k]."""
        x = x.flatten(1)
        if z.ndim > 2:
            x, label = x[:, None], tuple(y[:, None].expand(-1, z.shape[1], -1) for y in label)
        return self.emission.log_prob(x, self._write(torch.cat([z, *label], -1)))

    def log_weights(self, x: Tensor, noise: Tensor, *label: Tensor) -> Tensor:
        """ln w = ln p(x|z) + ln p(z) − ln q(z|x) at z = μ(x) + e^{v(x)/2} ε, [B, k] for ε [B, k, Z]."""
        return self._log_weights(x, noise, *self.encode(x, *label), *label)

    def way(self, samples: int) -> str:
        unit = " over pixels in [0, 1]" if len(self.shape) == 3 else ""
        of = "" if self.binary else f", of a density{unit}"
        return f"a bound by {samples} importance samples{of}"

    @torch.no_grad()
    def log_likelihood(self, x: Tensor, settled: Tree, generator: torch.Generator, samples: int) -> Tensor:
        """ln 1/S Σ_s w_s with z_s drawn from q(z|x), Burda et al. 2016, Eq. 8; in expectation a lower bound.

        With classes ln 1/K Σ_y 1/S Σ_s w_s(y), S samples for every label. A fixed number of components is
        worked on at a time, so memory does not grow with S; the draws do not depend on that number.
        """
        estimates = [self._importance(x, generator, samples, *label) for label in self._labels(x)]
        return torch.logsumexp(torch.stack(estimates), 0) - math.log(len(estimates))

    @torch.no_grad()
    def exhibits(self, x: Tensor, generator: torch.Generator) -> Mapping[str, Sheet]:
        """Of images `reconstructions`, rows of x above E[x|z] at z = μ(x); with two latents the `manifold`.

        A reconstruction is under the label of the greatest bound. The manifold is E[x|z] at the quantiles of
        the prior, z_1 to the right and z_2 upwards (Kingma & Welling 2014, figure 4), one for each class.
        """
        columns = min(_COLUMNS, len(x))
        rows = x[: len(x) // columns * columns].unflatten(0, (-1, columns))
        again = self._reconstruct(rows.flatten(0, 1)).view_as(rows)
        pairs = torch.stack([rows, again], 1).flatten(0, 2)
        return {"reconstructions": Sheet(pairs, columns)} | self._manifolds(x)

    def _write(self, latent: Tensor) -> Tensor:
        h = self.write(latent.flatten(0, -2)).to(latent.dtype)
        return h.unflatten(0, latent.shape[:-1])  # type: ignore[no-any-return]

    def _log_weights(
        self, x: Tensor, noise: Tensor, mean: Tensor, log_variance: Tensor, *y: Tensor
    ) -> Tensor:
        z = mean[:, None] + (0.5 * log_variance).exp()[:, None] * noise
        ratio = 0.5 * (noise.square() + log_variance[:, None] - z.square()).sum(-1)  # ln p(z) − ln q(z|x)
        return self.log_conditional(x, z, *y) + ratio

    def _labels(self, x: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """Every label of all of x; of a model without classes the empty one."""
        if self.classes == 0:
            yield ()
        for row in torch.eye(self.classes, dtype=x.dtype, device=x.device):
            yield (row.expand(len(x), -1),)

    def _importance(self, x: Tensor, generator: torch.Generator, samples: int, *label: Tensor) -> Tensor:
        size = math.prod(self.shape)
        block = max(1, min(samples, AT_ONCE // max(size, len(x) * self.latent)))
        rows = max(1, AT_ONCE // (block * size))
        examples = list(zip(*(part.split(rows) for part in (x, *label)), strict=True))
        codes = [self.encode(*example) for example in examples]
        total = x.new_full((len(x),), -math.inf)
        for start in range(0, samples, block):
            noise = self._noise(x, generator, min(block, samples - start)).split(rows)
            weights = [
                self._log_weights(seen, drawn, *code, *labels)
                for (seen, *labels), drawn, code in zip(examples, noise, codes, strict=True)
            ]
            total = torch.logaddexp(total, torch.cat([torch.logsumexp(part, 1) for part in weights]))
        return total - math.log(samples)

    def _noise(self, x: Tensor, generator: torch.Generator, samples: int) -> Tensor:
        # One call a sample, since what randn gives depends on how many numbers are asked for at once.
        draws = [self.prior.draw_alone(generator, len(x), x.dtype) for _ in range(samples)]
        return torch.stack(draws, 1)

    def _reconstruct(self, x: Tensor) -> Tensor:
        found, bounds = [], []
        for label in self._labels(x):
            mean, log_variance = self.encode(x, *label)
            bounds.append(self.log_conditional(x, mean, *label) - kl_to_prior(mean, log_variance))
            found.append(self.generate(torch.cat([mean, *label], 1)))
        best = torch.stack(bounds).argmax(0)
        return torch.stack(found, 1)[torch.arange(len(x), device=x.device), best]

    def _manifolds(self, x: Tensor) -> dict[str, Sheet]:
        if self.latent != 2:
            return {}
        axis = torch.special.ndtri((torch.arange(_SIDE, dtype=x.dtype, device=x.device) + 0.5) / _SIDE)
        down, right = torch.meshgrid(axis.flip(0), axis, indexing="ij")
        z = torch.stack([right, down], -1).flatten(0, 1)
        names = ["manifold"] if self.classes == 0 else [f"manifold_{k}" for k in range(self.classes)]
        latents = (torch.cat([z, *label], 1) for label in self._labels(z))
        return {n: Sheet(self.generate(latent), _SIDE) for n, latent in zip(names, latents, strict=True)}


class VAE(VariationalAutoencoder):
    """A variational autoencoder of multilayer perceptrons, for flattened images and for points.

    hidden: units of the encoder's layers, and backwards of the decoder's; without any, both maps are affine.
    decoder: `bernoulli` for x in {0, 1}, or `gaussian`, whose mean passes a sigmoid for images and is free
    for points; its σ is `sigma`, fixed or learned from there (see Gaussian). latent 50, hidden [200, 200] and
    tanh are Burda et al. 2016's. Raises ValueError for sizes below 1 and a σ not above its bound.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        latent: int = 50,
        hidden: Sequence[int] = (200, 200),
        activation: Activation = "tanh",
        decoder: Decoder = "bernoulli",
        covariance: Covariance = "spherical",
        sigma: float = 0.1,
        classes: int = 0,
    ):
        size = math.prod(shape)
        law = emission(decoder, size, len(shape) == 3, covariance, sigma)
        super().__init__(shape, latent, classes, law, decoder == "bernoulli")
        at_least_one(**{f"hidden[{i}]": units for i, units in enumerate(hidden)})
        self.encoder = perceptron([size + classes, *hidden, 2 * latent], activation)
        self.decoder = perceptron([latent + classes, *reversed(hidden), size], activation)

    def read(self, x: Tensor, *label: Tensor) -> Tensor:
        return self.encoder(beside(x.flatten(1), *label))  # type: ignore[no-any-return]

    def write(self, latent: Tensor) -> Tensor:
        return self.decoder(latent)  # type: ignore[no-any-return]
