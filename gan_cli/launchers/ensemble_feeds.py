"""The batches of many runs that train on one data set, which is read once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gan_cli.data.base import Dataset, Placing, Sampler, Table
from gan_cli.data.feed import MEBIBYTE, Order
from gan_cli.data.labels import labels_of
from gan_cli.errors import InputError
from gan_cli.streams import Streams


class Feeds:
    """Batch n of each of S runs at once, equal to what each run's own `Feed` hands out.

    moves: how many batches a round takes, which are kept until all runs have had theirs. Raises InputError
    for a table without examples, or of more than `budget_mb` MiB.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        streams: Sequence[Streams],
        device: torch.device,
        budget_mb: float,
        moves: int = 1,
    ):
        self.data: Table | Sampler = dataset.load()
        self._dataset = dataset
        self._size, self._streams, self._moves = batch_size, streams, moves
        self._kept: dict[int, Tensor] = {}
        self._labels: Tensor | None = None
        if isinstance(self.data, Sampler):
            self._law = self.data.to(device)
            return
        if not len(self.data):
            raise InputError("the data set holds no examples")
        if self.data.nbytes > budget_mb * MEBIBYTE:
            raise InputError(
                f"its data are read from disk as it goes (more than runtime.resident_mb={budget_mb})"
            )
        self._rows = torch.as_tensor(self.data.images).to(device)
        self._orders = [Order(s.seed, len(self.data), device) for s in streams]

    def batch(self, number: int) -> Tensor:
        """Raw batch `number` of every run, [S, B, …]."""
        if number not in self._kept:
            self._kept = {n: kept for n, kept in self._kept.items() if number - self._moves < n < number}
            self._kept[number] = self._batch(number)
        return self._kept[number]

    def labels(self, number: int, run: int) -> Tensor:
        """The labels of batch `number` of one run, int64 [B]. Raises InputError where the data have none."""
        if self._labels is None:
            self._labels = labels_of(self._dataset, self.data).to(self._rows.device)
        return self._labels[self._orders[run].slice(number * self._size, self._size)]

    def each(self) -> list[_One]:
        """The runs' own sources."""
        return [_One(self, run) for run in range(len(self._streams))]

    def _batch(self, number: int) -> Tensor:
        raw = self._raw(number)
        if not self._dataset.redraws:
            return raw
        again = [s.at("redraw", number) for s in self._streams]
        return torch.stack([self._dataset.redraw(x, g) for x, g in zip(raw, again, strict=True)])

    def _raw(self, number: int) -> Tensor:
        size = self._size
        if isinstance(self.data, Table):
            index = torch.stack([order.slice(number * size, size) for order in self._orders])
            return self._rows[index]
        law, generators = self._law, [s.at("data", number) for s in self._streams]
        if not isinstance(law, Placing):
            return torch.stack([law.sample(g, size) for g in generators])
        draws: list[Any] = [law.draws(g, size) for g in generators]
        return law.placed(*(torch.stack(parts) for parts in zip(*draws, strict=True)))


class _One:
    """One run's source: its rows of the batches of all."""

    def __init__(self, feeds: Feeds, run: int):
        self._feeds, self._run = feeds, run

    def batch(self, number: int) -> Tensor:
        return self._feeds.batch(number)[self._run]

    def labels(self, number: int) -> Tensor:
        return self._feeds.labels(number, self._run)
