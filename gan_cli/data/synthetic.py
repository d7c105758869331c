"""Mixtures of isotropic Gaussians: the ring and the grid of the mode-collapse papers, and others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gan_cli.checks import at_least_one, positive, require
from gan_cli.data.base import Dataset, Distribution, Kind


@dataclass(frozen=True)
class GaussianMixture(Distribution):
    """p(x) = Σ_m w_m N(x; μ_m, s_m²·I). weights w: [M], summing to 1; modes μ: [M, D]; scale s: [M]."""

    weights: Tensor
    modes: Tensor
    scale: Tensor

    def sample(self, generator: torch.Generator, n: int) -> Tensor:
        """μ_k + s_k·ε with k ~ w and ε ~ N(0, I): [n, D]."""
        return self.placed(*self.draws(generator, n))

    def draws(self, generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
        """The random numbers of n draws: uniform ones [n], which choose modes, and normal ones [n, D]."""
        device = generator.device
        uniform = torch.rand(n, generator=generator, device=device)
        return uniform, torch.randn(n, self.modes.shape[1], generator=generator, device=device)

    def placed(self, uniform: Tensor, noise: Tensor) -> Tensor:
        """The draws that these numbers make: [..., n], [..., n, D] -> [..., n, D]."""
        weights, modes, scale = (t.to(noise.device) for t in (self.weights, self.modes, self.scale))
        # The inverse of the cumulative weights: torch.multinomial would read them on the host.
        mode = torch.bucketize(uniform, weights.cumsum(0)[:-1], right=True)
        return modes[mode] + scale[mode, None] * noise

    def log_density(self, x: Tensor) -> Tensor:
        """ln Σ_m w_m (2π s_m²)^(−D/2) exp(−|x − μ_m|²/(2 s_m²)): [..., D] -> [...], in the precision of x.

        >>> normal = GaussianMixture(torch.ones(1), torch.zeros(1, 2), torch.ones(1))
        >>> round(normal.log_density(torch.zeros(2)).exp().item() * 2 * math.pi, 5)
        1.0
        """
        weights, modes, scale = (t.to(x) for t in (self.weights, self.modes, self.scale))
        square = (x[..., None, :] - modes).square().sum(-1)
        log_norm = -modes.shape[1] * (scale.log() + 0.5 * math.log(2 * math.pi))
        return torch.logsumexp(weights.log() + log_norm - square / (2 * scale.square()), dim=-1)

    @property
    def covariance(self) -> Tensor | None:
        if len(self.weights) > 1:
            return None
        size = self.modes.shape[1]
        return self.scale[0].double().square() * torch.eye(
            size, dtype=torch.float64, device=self.modes.device
        )

    def to(self, device: torch.device) -> GaussianMixture:
        return GaussianMixture(self.weights.to(device), self.modes.to(device), self.scale.to(device))


@dataclass(frozen=True, kw_only=True)
class _Mixture(Dataset):
    """What the mixtures share. default_every: steps between pictures, evaluations and checkpoints."""

    default_steps: int = 5000
    default_every: int = 1000

    kind: ClassVar[Kind] = "points"

    def held_out(self) -> Dataset:
        return self


def _mixture(
    modes: Sequence[Sequence[float]], stds: Sequence[float], weights: Sequence[float]
) -> Distribution:
    w, centres, scale = (torch.tensor(t, dtype=torch.float64) for t in (weights, modes, stds))
    return GaussianMixture((w / w.sum()).float(), centres.float(), scale.float())


@dataclass(frozen=True, kw_only=True)
class Ring(_Mixture):
    """`modes` equally likely Gaussians of deviation `std` on a circle of radius `radius`, one at angle 0.

    The defaults are the eight modes of Metz et al., Unrolled Generative Adversarial Networks.
    """

    modes: int = 8
    radius: float = 2.0
    std: float = 0.02

    def __post_init__(self) -> None:
        at_least_one(modes=self.modes, default_steps=self.default_steps, default_every=self.default_every)
        positive(radius=self.radius, std=self.std)

    @property
    def shape(self) -> tuple[int, ...]:
        """(2,)."""
        return (2,)

    def load(self) -> Distribution:
        """The ring as a distribution.

        >>> Ring(modes=4, radius=1.0).load().modes.round()
        tensor([[ 1.,  0.], [ 0.,  1.], [-1.,  0.], [-0., -1.]])
        """
        angles = [2 * math.pi * k / self.modes for k in range(self.modes)]
        centres = [[self.radius * math.cos(a), self.radius * math.sin(a)] for a in angles]
        return _mixture(centres, [self.std] * self.modes, [1.0] * self.modes)


@dataclass(frozen=True, kw_only=True)
class Grid(_Mixture):
    """`side`² equally likely Gaussians of deviation `std` on a square grid around 0, `spacing` apart.

    The defaults are the 25 modes that Srivastava et al., VEEGAN, and Lin et al., PacGAN, count.
    """

    side: int = 5
    spacing: float = 2.0
    std: float = 0.05
    default_steps: int = 10000

    def __post_init__(self) -> None:
        at_least_one(side=self.side, default_steps=self.default_steps, default_every=self.default_every)
        positive(spacing=self.spacing, std=self.std)

    @property
    def shape(self) -> tuple[int, ...]:
        """(2,)."""
        return (2,)

    def load(self) -> Distribution:
        """The grid as a distribution, its modes row by row."""
        ticks = [self.spacing * (k - (self.side - 1) / 2) for k in range(self.side)]
        count = self.side**2
        return _mixture([[x, y] for y in ticks for x in ticks], [self.std] * count, [1.0] * count)


@dataclass(frozen=True, kw_only=True)
class Mixture1D(_Mixture):
    """Σ_m w_m N(means_m, stds_m²) on the line, w proportional to `weights`.

    The default, 0.33·N(−1, 0.065) + 0.67·N(2, 2) with variances in brackets, is the target that reproduces
    the optima of the univariate experiment of Nowozin et al., f-GAN.
    """

    weights: tuple[float, ...] = (0.33, 0.67)
    means: tuple[float, ...] = (-1.0, 2.0)
    stds: tuple[float, ...] = (math.sqrt(0.065), math.sqrt(2.0))
    default_steps: int = 3000

    def __post_init__(self) -> None:
        at_least_one(default_steps=self.default_steps, default_every=self.default_every)
        for name in ("weights", "means", "stds"):
            object.__setattr__(self, name, tuple(float(value) for value in getattr(self, name)))
        if not self.weights:
            raise ValueError("weights must hold at least one number, got []")
        for name, values in (("means", self.means), ("stds", self.stds)):
            if len(values) != len(self.weights):
                raise ValueError(f"{name} must be as many as weights, {len(self.weights)}, got {len(values)}")
        for weight, std in zip(self.weights, self.stds, strict=True):
            positive(weights=weight, stds=std)
        if not all(map(math.isfinite, self.means)):
            raise ValueError(f"means must be finite numbers, got {list(self.means)}")

    @property
    def shape(self) -> tuple[int, ...]:
        """(1,)."""
        return (1,)

    def load(self) -> Distribution:
        """The mixture as a distribution."""
        return _mixture([[mean] for mean in self.means], self.stds, self.weights)


@dataclass(frozen=True, kw_only=True)
class Mixture(_Mixture):
    """Σ_m w_m N(means_m, stds_m²·I) in any number of dimensions, w proportional to `weights`.

    Weights or stds of one number hold for all modes.
    """

    means: tuple[tuple[float, ...], ...] = ((-2.0, 0.0), (2.0, 0.0))
    stds: tuple[float, ...] = (1.0,)
    weights: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        at_least_one(default_steps=self.default_steps, default_every=self.default_every)
        means = tuple(tuple(float(value) for value in mean) for mean in self.means)
        object.__setattr__(self, "means", means)
        given = [list(mean) for mean in means]
        require(len(means) > 0 and len(means[0]) > 0, "means", "at least one point", given)
        require(len({len(mean) for mean in means}) == 1, "means", "points of one dimension", given)
        require(all(map(math.isfinite, sum(means, ()))), "means", "finite numbers", given)
        for name in ("stds", "weights"):
            values = tuple(float(value) for value in getattr(self, name))
            require(len(values) in (1, len(means)), name, f"one number or {len(means)}", list(values))
            for value in values:
                positive(**{name: value})
            object.__setattr__(self, name, values * len(means) if len(values) == 1 else values)

    @property
    def shape(self) -> tuple[int, ...]:
        """(D,)."""
        return (len(self.means[0]),)

    def load(self) -> Distribution:
        """The mixture as a distribution."""
        return _mixture(self.means, self.stds, self.weights)
