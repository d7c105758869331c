"""Subjects of metrics without a run: tables of examples, and a generator that is any function."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gan_cli.metrics.base import Draw, Subject
from gan_cli.streams import Streams

CPU = torch.device("cpu")
LATENT = 8


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def latents(generator: torch.Generator, n: int) -> Tensor:
    return torch.randn(n, LATENT, generator=generator)


def out_of(table: Tensor) -> Draw:
    """Without replacement, in the table's own order, fewer if there are fewer: as runs draw."""

    def draw(generator: torch.Generator, n: int) -> Tensor:
        return table[torch.randperm(len(table), generator=generator)[:n].sort().values]

    return draw


def subject(
    real: Tensor | Draw,
    generate: Callable[[Tensor], Tensor],
    unseen: Tensor | Draw | None = None,
    pixel_range: tuple[float, float] | None = None,
    step: int = 0,
    seed: int = 0,
) -> Subject:
    """A generator G(z), z [B, 8], against a table of real examples or a law to draw them from."""
    one = generate(torch.zeros(1, LATENT))
    hidden = out_of(unseen) if isinstance(unseen, Tensor) else unseen
    return Subject(
        step=step,
        shape=tuple(one.shape[1:]),
        pixel_range=pixel_range,
        real=out_of(real) if isinstance(real, Tensor) else real,
        fake=lambda generator, n: generate(latents(generator, n)),
        unseen=hidden,
        examples=len(real) if isinstance(real, Tensor) else None,
        unseen_examples=len(unseen) if isinstance(unseen, Tensor) else None,
        latents=latents,
        generate=generate,
        streams=Streams(seed, CPU),
    )


def copier(table: Tensor) -> Callable[[Tensor], Tensor]:
    """A generator that shows examples of a table, which one the latent says."""

    def generate(z: Tensor) -> Tensor:
        number = (z[:, 0].double() * 1e6).long().remainder(len(table))
        return table[number]

    return generate
