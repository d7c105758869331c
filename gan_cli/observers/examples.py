"""Fixed real and latent examples of a run, the same in every process of it."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_cli.data.base import Sampler, Table
from gan_cli.metrics.base import Subject
from gan_cli.observers.base import Run
from gan_cli.types import State

_AT_ONCE = 512


def real_examples(run: Run, n: int, purpose: str) -> Tensor:
    """`n` real examples as the critic sees them, the same in every process of the run: see `draw_real`."""
    return draw_real(run, n, run.streams.at(purpose, 0))


def draw_real(run: Run, n: int, generator: torch.Generator) -> Tensor:
    """`n` of the examples that the run trains on as the critic sees them: see `_drawn`."""
    return _drawn(run, run.data, n, generator)


def _drawn(run: Run, data: Table | Sampler, n: int, generator: torch.Generator) -> Tensor:
    """`n` of the data as the critic sees them, fewer if there are fewer: [n, *shape] on the device."""
    dataset = run.dataset
    if isinstance(data, Sampler):
        return dataset.prepare(dataset.redraw(data.sample(generator, n), generator))
    order = torch.randperm(len(data), generator=generator, device=generator.device)[:n].sort().values
    return dataset.prepare(dataset.redraw(data.rows(order).to(run.device), generator))


def latent_examples(run: Run, n: int, purpose: str, number: int = 0) -> Tensor:
    """`n` latents of their own stream: [n, Z]."""
    return run.learner.latents(run.streams.at(purpose, number), n)


@torch.no_grad()
def generate(run: Run, state: State, latent: Tensor) -> Tensor:
    """G(z) in evaluation mode, a part of the latents at a time: [n, *shape] float on the device."""
    return torch.cat([run.learner.sample(state, part) for part in latent.split(_AT_ONCE)]).float()


def subject(run: Run, state: State, step: int) -> Subject:
    """A run's generator at one moment, and the run's data, as the metrics look at them."""
    unseen = run.unseen

    def kept(generator: torch.Generator, n: int) -> Tensor:
        assert unseen is not None
        return _drawn(run, unseen, n, generator).float()

    return Subject(
        step=step,
        shape=tuple(run.dataset.shape),
        pixel_range=run.dataset.pixel_range,
        real=lambda generator, n: draw_real(run, n, generator).float(),
        fake=lambda generator, n: generate(run, state, run.learner.latents(generator, n)),
        unseen=None if unseen is None else kept,
        examples=_count(run.data),
        unseen_examples=None if unseen is None else _count(unseen),
        latents=run.learner.latents,
        generate=lambda latent: run.learner.sample(state, latent).float(),
        streams=run.streams,
        condition=run.learner.condition,
        likelihood=lambda generator, samples: run.learner.likelihood(state, generator, samples),
    )


def _count(data: Table | Sampler) -> int | None:
    return len(data) if isinstance(data, Table) else None
