"""One Gaussian in any number of dimensions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gan_cli.checks import at_least_one, positive, require
from gan_cli.data.base import Dataset, Distribution, Kind


@dataclass(frozen=True)
class Normal(Distribution):
    """N(μ, Σ) by μ, [D], and the lower root L with Σ = LLᵀ, [D, D], both float64. One mode, of scale √(tr
    Σ/D)."""

    mean: Tensor
    root: Tensor

    @property
    def modes(self) -> Tensor:  # type: ignore[override]
        """μ as the one mode, [1, D]."""
        return self.mean[None].float()

    @property
    def weights(self) -> None:  # type: ignore[override]
        """There is one mode."""

    @property
    def scale(self) -> Tensor:  # type: ignore[override]
        """√(tr Σ/D), [1]."""
        return (self.root.square().sum() / len(self.mean)).sqrt()[None].float()

    @property
    def covariance(self) -> Tensor:
        return self.root @ self.root.T

    def sample(self, generator: torch.Generator, n: int) -> Tensor:
        """μ + Lε with ε ~ N(0, I): [n, D]."""
        device = generator.device
        noise = torch.randn(n, len(self.mean), generator=generator, device=device)
        return self.mean.to(noise) + noise @ self.root.to(noise).T

    def log_density(self, x: Tensor) -> Tensor:
        """−|L⁻¹(x − μ)|²/2 − ln det L − D/2·ln 2π: [..., D] -> [...], in the precision of x.

        >>> normal = Normal(torch.zeros(2), torch.eye(2))
        >>> round(normal.log_density(torch.zeros(2)).exp().item() * 2 * math.pi, 5)
        1.0
        """
        mean, root = self.mean.to(x), self.root.to(x)
        inverse = torch.linalg.solve_triangular(root, torch.eye(len(mean)).to(x), upper=False)
        white = (x - mean) @ inverse.T
        constant = root.diagonal().log().sum() + len(mean) / 2 * math.log(2 * math.pi)
        density: Tensor = -white.square().sum(-1) / 2 - constant
        return density

    def to(self, device: torch.device) -> Normal:
        return Normal(self.mean.to(device), self.root.to(device))


@dataclass(frozen=True, kw_only=True)
class Gaussian(Dataset):
    """N(mean, Σ) with Σ = diag(std²), or any `covariance`, which then stands for `std`.

    A mean or std of one number holds for all coordinates; `dimension` says how many there are where mean does
    not. Raises ValueError where their numbers disagree, and for a covariance that is none.
    """

    mean: tuple[float, ...] = (0.0, 0.0)
    std: tuple[float, ...] = (1.0,)
    covariance: tuple[tuple[float, ...], ...] | None = None
    dimension: int | None = None
    default_steps: int = 5000
    default_every: int = 1000

    kind: ClassVar[Kind] = "points"

    def __post_init__(self) -> None:
        at_least_one(default_steps=self.default_steps, default_every=self.default_every)
        if self.dimension is not None:
            at_least_one(dimension=self.dimension)
        for name in ("mean", "std"):
            values = tuple(float(value) for value in getattr(self, name))
            require(len(values) > 0, name, "at least one number", [])
            rule = f"one number or {self.shape[0]}"
            require(len(values) in (1, self.shape[0]), name, rule, list(values))
            require(all(map(math.isfinite, values)), name, "finite numbers", list(values))
            object.__setattr__(self, name, values)
        for value in self.std:
            positive(std=value)
        if self.covariance is not None:
            rows = tuple(tuple(float(value) for value in row) for row in self.covariance)
            object.__setattr__(self, "covariance", rows)
            self._root()

    @property
    def shape(self) -> tuple[int, ...]:
        """(D,)."""
        return (len(self.mean) if self.dimension is None else self.dimension,)

    def held_out(self) -> Gaussian:
        return self

    def load(self) -> Distribution:
        """The Gaussian as a distribution."""
        return Normal(torch.tensor(self.mean, dtype=torch.float64).expand(self.shape), self._root())

    def _root(self) -> Tensor:
        if self.covariance is None:
            return torch.diag(torch.tensor(self.std, dtype=torch.float64).expand(self.shape))
        size, given = self.shape[0], [list(row) for row in self.covariance]
        square = len(given) == size and all(len(row) == size for row in given)
        require(square, "covariance", f"{size} rows of {size} numbers", given)
        matrix = torch.tensor(given, dtype=torch.float64)
        root, failed = torch.linalg.cholesky_ex(matrix)
        rule = "symmetric and positive definite"
        require(torch.equal(matrix, matrix.T) and not int(failed), "covariance", rule, given)
        found: Tensor = root
        return found
