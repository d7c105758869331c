"""Fixed real and latent examples of a run, the same in every process of it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gan_cli.data.base import Sampler
from gan_cli.observers.base import Run
from gan_cli.types import State

_AT_ONCE = 512


def real_examples(run: Run, n: int, purpose: str) -> Tensor:
    """`n` real examples as the critic sees them, the same in every process of the run: see `draw_real`."""
    return draw_real(run, n, run.streams.at(purpose, 0))


def draw_real(run: Run, n: int, generator: torch.Generator) -> Tensor:
    """`n` real examples as the critic sees them, fewer if there are fewer: [n, *shape] on the device."""
    data = run.data
    if isinstance(data, Sampler):
        return run.dataset.prepare(data.sample(generator, n))
    order = torch.randperm(len(data), generator=generator, device=generator.device)[:n].sort().values
    if isinstance(data.images, Tensor):
        raw = data.images[order.to(data.images.device)]
    else:
        raw = torch.from_numpy(np.asarray(data.images[order.cpu().numpy()]))
    return run.dataset.prepare(raw.to(run.device))


def latent_examples(run: Run, n: int, purpose: str, number: int = 0) -> Tensor:
    """`n` latents of their own stream: [n, Z]."""
    return run.learner.latents(run.streams.at(purpose, number), n)


def generate(run: Run, state: State, latent: Tensor) -> Tensor:
    """G(z) in evaluation mode, a part of the latents at a time: [n, *shape] float on the device."""
    return torch.cat([run.learner.sample(state, part) for part in latent.split(_AT_ONCE)]).float()
