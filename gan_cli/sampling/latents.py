"""Latents to draw from a trained generator with: numbered by a seed, and truncated."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from gan_cli.checks import positive, require
from gan_cli.learner import Learner
from gan_cli.streams import Streams
from gan_cli.walks import Kind

AT_ONCE = 64
"""Latents of a part. Parts are always drawn and generated whole, so that no sample depends on how many are
asked for: batched kernels round differently at another width."""


@dataclass(frozen=True)
class Latents:
    """Draws from a learner's prior, numbered: sample i is the same for a seed, on every device, of any n.

    truncation: see `truncated`; None leaves the prior as it is. label: the class of all samples of a model
    that is told one; None: each its own. purpose: the name of the random stream. Raises ValueError for a
    truncation or a label out of range.
    """

    learner: Learner
    seed: int
    truncation: float | None = None
    label: int | None = None
    purpose: str = "generated"

    def __post_init__(self) -> None:
        classes = self.learner.condition
        if self.label is not None:
            rule = f"one of 0 to {classes - 1}" if classes else "null for a model that is told no class"
            require(0 <= self.label < classes, "label", rule, self.label)
        if self.truncation is None:
            return
        positive(truncation=self.truncation)
        if self.learner.latent_kind == "uniform":
            rule = "at most 1 for a uniform prior, which lies in [-1, 1]"
            require(self.truncation <= 1, "truncation", rule, self.truncation)

    def part(self, number: int) -> Tensor:
        """Draws 64·number to 64·number + 63: [64, Z] on the CPU."""
        generator = Streams(self.seed, torch.device("cpu")).at(self.purpose, number)
        z = self.learner.latents(generator, AT_ONCE)
        drawn, told = z.split([z.shape[1] - self.learner.condition, self.learner.condition], 1)
        if self.label is not None:
            told = one_hot(torch.full((AT_ONCE,), self.label), told.shape[1]).to(z.dtype)
        if self.truncation is not None:
            drawn = truncated(drawn, self.truncation, self.learner.latent_kind, generator)
        return torch.cat([drawn, told], 1)

    def __iter__(self) -> Iterator[Tensor]:
        return (self.part(number) for number in count())


def truncated(z: Tensor, threshold: float, kind: Kind, generator: torch.Generator) -> Tensor:
    """Draws from the prior given that no coordinate is beyond ±threshold (Brock et al. 2019, BigGAN, §3.1).

    What is beyond is drawn again until it is not; here at once, by the quantile of the law that this leads
    to, √2·erf⁻¹(u·erf(t/√2)) with u ~ U(−1, 1). The rest stays, so that a sample changes no more than it
    must. A uniform prior is scaled by the threshold t ≤ 1: U(−t, t) is U(−1, 1) given that |z| ≤ t.

    z: [B, Z], draws from the prior -> [B, Z].
    """
    if kind == "uniform":
        return threshold * z
    u = 2 * torch.rand(z.shape, generator=generator, dtype=torch.float64, device=z.device) - 1
    again = math.sqrt(2) * torch.erfinv(u * math.erf(threshold / math.sqrt(2)))
    # Rounding to the prior's precision may not lead over the threshold again.
    return torch.where(z.abs() <= threshold, z, again.to(z.dtype).clamp(-threshold, threshold))


def of_one_class(z: Tensor, condition: int) -> Tensor:
    """Latents whose last `condition` entries are a row of the identity, that of their greatest: the class
    that has most of a sum. [..., Z] -> the same shape.

    >>> of_one_class(torch.tensor([0.5, 0.3, 0.7]), 2)
    tensor([0.5000, 0.0000, 1.0000])
    """
    if not condition:
        return z
    row = one_hot(z[..., -condition:].argmax(-1), condition).to(z.dtype)
    return torch.cat([z[..., :-condition], row], -1)
