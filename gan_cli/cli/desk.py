"""One command of `gan-sample` at work: its run, its samples, its training examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from gan_cli.cli import finished, ratio
from gan_cli.data.base import Sampler, Table
from gan_cli.errors import InputError
from gan_cli.sampling.draws import Maker, Part, first, joined
from gan_cli.sampling.latents import Latents
from gan_cli.sampling.rejection import Rejection
from gan_cli.streams import Streams

_TRAINING = 4096
"""Training examples read at a time."""


@contextmanager
def refused() -> Iterator[None]:
    """A ValueError of the block as an InputError: its message names an argument that is a key."""
    try:
        yield
    except ValueError as error:
        raise InputError(str(error)) from error


@dataclass(frozen=True)
class Desk:
    """One command's run and what it asks for."""

    config: Mapping[str, Any]
    opened: finished.Opened

    @cached_property
    def maker(self) -> Maker:
        """The generator."""
        return Maker(self.opened.experiment.plain, self.opened.state)

    @cached_property
    def streams(self) -> Streams:
        """Random numbers for all but the latents."""
        return Streams(self.config["seed"], torch.device("cpu"))

    @property
    def points(self) -> bool:
        """Whether the run's data are points."""
        return self.opened.experiment.dataset.kind == "points"

    @property
    def shape(self) -> tuple[int, ...]:
        """That of an example."""
        return tuple(self.opened.experiment.dataset.shape)

    @property
    def pixel_range(self) -> tuple[float, float]:
        """The values of black and white."""
        return self.opened.experiment.dataset.pixel_range or (0.0, 1.0)

    @cached_property
    def rejection(self) -> Rejection | None:
        """What refuses samples with method=drs. Raises InputError where the critic gives no ratio."""
        if self.config["method"] == "plain":
            return None
        with refused():
            burn_in = first(self.maker.parts(self._latents("generated/burn-in")), self.config["burn_in"])
            return Rejection(self._log_ratio(), burn_in, self.streams, self.config["percentile"])

    def _log_ratio(self) -> ratio.LogRatio:
        steps, seed, truncation = (self.config[name] for name in ("refit", "seed", "truncation"))
        return (
            ratio.fresh(self.opened, self.maker, steps, seed, truncation) if steps else ratio.own(self.opened)
        )

    def parts(self) -> Iterator[Part]:
        """The samples of the seed, without end."""
        plain = self.maker.parts(self._latents("generated"))
        return plain if self.rejection is None else self.rejection(plain)

    def first(self, n: int) -> Part:
        """The first n samples."""
        return joined(first(self.parts(), n))

    def _latents(self, purpose: str) -> Latents:
        with refused():
            seed, truncation, label = (self.config[name] for name in ("seed", "truncation", "label"))
            return Latents(self.opened.experiment.plain, seed, truncation, label, purpose)

    def training(self) -> Iterator[Tensor]:
        """All training examples as the critic sees them, a part at a time. Raises InputError where they are
        drawn without end."""
        run = self.opened.run
        if isinstance(run.data, Sampler):
            raise InputError(
                "what=neighbours: the data is drawn without end, so there are no nearest examples"
            )
        for part, begin in enumerate(range(0, len(run.data), _TRAINING)):
            yield self.prepared(run.data, slice(begin, begin + _TRAINING), part)

    def prepared(self, data: Table, rows: slice | Tensor, part: int) -> Tensor:
        """Those of the training examples, the given part of all that are read, as the critic sees them:
        [B, *shape] on the CPU."""
        dataset = self.opened.experiment.dataset
        raw = dataset.redraw(data.rows(rows).cpu(), self.streams.at("redraw", part))
        return dataset.prepare(raw).float()
