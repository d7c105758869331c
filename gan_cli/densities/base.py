"""Density: a network with a law of its own, to be drawn from and to be asked for likelihoods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from gan_cli.prior import Prior
from gan_cli.types import Sheet, Tree

Knowledge = Literal["exact", "bound", "estimate"]
"""What a model knows of its likelihood."""


class Density(nn.Module, ABC):
    """A model of one player. Pixels are in [0, 1] in all its methods; points are as they are.

    prior: what `generate` maps to examples; smooth: whether it does so differentiably;
    binary: whether an example is a vector of zeros and ones;
    likelihood: what `log_likelihood` gives, ln p(x), a lower bound of it in expectation, or an estimate;
    looks_at_batches: whether training keeps or begins from what only a whole batch shows.
    A method is called through `Network`, which lends the module its tensors; so none keeps anything.
    """

    smooth: ClassVar[bool] = True
    binary: bool = True
    likelihood: ClassVar[Knowledge] = "exact"
    looks_at_batches: ClassVar[bool] = False

    prior: Prior

    @abstractmethod
    def generate(self, latent: Tensor) -> Tensor:
        """Examples from draws of the prior, a function of each alone: [B, Z] -> [B, *shape]."""

    def settle(self, generator: torch.Generator, samples: int) -> Tree:
        """What the likelihood of every x needs once, such as an estimate of ln Z from so many samples."""
        return ()

    def way(self, samples: int) -> str:
        """How `log_likelihood` comes about when so many samples are asked for, in a few words."""
        return self.likelihood

    def shared_error(self, settled: Tree) -> Tensor | float:
        """The standard error that all likelihoods share because of what was settled, in nats, [] or 0."""
        return 0.0

    @abstractmethod
    def log_likelihood(self, x: Tensor, settled: Tree, generator: torch.Generator, samples: int) -> Tensor:
        """ln p(x) in nats, by `samples` samples an example where it is no closed form: [B, *shape] -> [B].

        It works through what would not fit into memory in parts.
        """

    def exhibits(self, x: Tensor, generator: torch.Generator) -> Mapping[str, Sheet]:
        """Pictures by name that show a model of images at work on real ones x, [B, C, H, W]."""
        return {}
