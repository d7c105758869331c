"""Batches by number: the same batch for the same seed and number, wherever the data lie."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from mmap import mmap
from typing import Any, TypeGuard

import torch
from numpy import memmap, uint8
from torch import Tensor

from gan_cli.data.base import Dataset, Sampler, Table
from gan_cli.data.labels import labels_of
from gan_cli.errors import InputError
from gan_cli.streams import Streams

MEBIBYTE = 1 << 20


class Order:
    """The endless sequence of indices into N examples: permutation after permutation, epoch e's by (seed, e).

    It is drawn on the CPU, so that it does not depend on the run's device, and kept on `device`.
    """

    def __init__(self, seed: int, count: int, device: torch.device):
        self.count = count
        self.device = device
        self._streams = Streams(seed, torch.device("cpu"))
        self._epochs: dict[int, Tensor] = {}

    def slice(self, start: int, length: int) -> Tensor:
        """The indices at positions start … start + length − 1: int64 [length]."""
        first, last = start // self.count, (start + length - 1) // self.count
        for epoch in [old for old in self._epochs if not first <= old <= last]:
            del self._epochs[epoch]
        offset = start - first * self.count
        if first == last:
            return self._epoch(first)[offset : offset + length]
        return torch.cat([self._epoch(e) for e in range(first, last + 1)])[offset : offset + length]

    def _epoch(self, epoch: int) -> Tensor:
        if epoch not in self._epochs:
            order = torch.randperm(self.count, generator=self._streams.at("order", epoch))
            self._epochs[epoch] = order.to(self.device)
        return self._epochs[epoch]


class Feed:
    """Hands out raw batches of a data set by number, on `device`.

    Batch n of a table holds the examples at positions n·B … n·B + B − 1 of its `Order`: none twice within an
    epoch, and a batch may reach into the next ones. Batch n of a law is drawn from stream "data", n.
    A table of at most `budget_mb` MiB lives on the device. A larger one stays where it is, on disk if it is
    mapped from there, and a thread gathers the batches that come next; they are the same batches.
    Where the data set draws its examples anew at each use, batch n does so from stream "redraw", n.
    rows: which of a batch's rows are handed out, where several processes share it; all by default.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        streams: Streams,
        device: torch.device,
        budget_mb: float = 1024,
        rows: slice | None = None,
    ):
        self.data: Table | Sampler = dataset.load()
        self.batch_size = batch_size
        self._dataset, self._streams = dataset, streams
        self._rows = range(batch_size)[rows or slice(None)]
        self._prefetch: Prefetch | None = None
        self._labels: Tensor | None = None
        self._batch = self._source(streams, device, budget_mb)

    def batch(self, number: int) -> Tensor:
        """Raw batch `number` = 0, 1, 2, …: uint8 [B, C, H, W] or float [B, D].

        What goes wrong in the thread is raised here.
        """
        raw = self._batch(number)
        if not self._dataset.redraws:
            return raw
        own = slice(self._rows.start, self._rows.stop)
        return self._dataset.redraw(raw, self._streams.at("redraw", number), own, self.batch_size)

    def labels(self, number: int) -> Tensor:
        """The labels of batch `number`, int64 [B] on the device.

        Raises InputError where the data set has none, or not for each example.
        """
        if self._labels is None:
            self._labels = labels_of(self._dataset, self.data).to(self._order.device)
        return self._labels.index_select(0, self._index(self._order, number))

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the thread, if there is one. Closing twice is fine."""
        if self._prefetch is not None:
            self._prefetch.close()

    def _source(self, streams: Streams, device: torch.device, budget_mb: float) -> Callable[[int], Tensor]:
        size = self.batch_size
        if isinstance(self.data, Sampler):
            law = self.data.to(device)
            own = slice(self._rows.start, self._rows.stop)
            return lambda number: law.sample(streams.at("data", number), size)[own]
        if not len(self.data):
            raise InputError("the data set holds no examples")
        self._order = Order(streams.seed, len(self.data), device)
        rows = torch.as_tensor(self.data.images)
        if self.data.nbytes <= budget_mb * MEBIBYTE:
            # From mapped memory this is the one read of the file.
            here = rows.to(device, copy=device.type == "cpu" and isinstance(self.data.images, memmap))
            return lambda number: here.index_select(0, self._index(self._order, number))
        order = Order(streams.seed, len(rows), torch.device("cpu"))  # the thread's own
        store = _OnDisk(self.data.images) if _is_file(self.data.images) else _InMemory(rows)
        self._prefetch = Prefetch(store, lambda number: self._index(order, number), len(self._rows), device)
        return self._prefetch.batch

    def _index(self, order: Order, number: int) -> Tensor:
        """Where the rows of batch `number` stand in the table."""
        return order.slice(number * self.batch_size + self._rows.start, len(self._rows))


class _InMemory:
    """Rows of a tensor."""

    def __init__(self, rows: Tensor):
        self._rows = rows
        self.dtype, self.shape = rows.dtype, rows.shape[1:]

    def gather(self, index: Tensor, out: Tensor) -> None:
        torch.index_select(self._rows, 0, index, out=out)

    def close(self) -> None:
        pass


class _OnDisk:
    """Rows of an array in a file, read one by one.

    Through the mapping, every page that was once touched would count as this process's memory: after an epoch
    all of the file. What is read stays in the system's cache, as long as nobody else needs the room.
    """

    def __init__(self, images: memmap[Any, Any]):
        rows = torch.as_tensor(images[:1])
        self.dtype, self.shape = rows.dtype, rows.shape[1:]
        self._path, self._start, self._size = images.filename, images.offset, rows.nbytes
        self._handle = os.open(str(images.filename), os.O_RDONLY)

    def gather(self, index: Tensor, out: Tensor) -> None:
        """Read these rows. Raises InputError where the file is too short."""
        handle, size, start = self._handle, self._size, self._start
        room = out.numpy().reshape(-1).view(uint8).data
        for at, number in zip(range(0, len(room), size), index.tolist(), strict=True):
            if os.preadv(handle, [room[at : at + size]], start + number * size) != size:
                raise InputError(f"cannot read row {number} of {self._path}: the file is damaged")

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
        self._handle = -1


def _is_file(images: object) -> TypeGuard[memmap[Any, Any]]:
    """Whether these are all rows of a mapped file: a part of them would not know where it starts."""
    return isinstance(images, memmap) and isinstance(images.base, mmap) and images.flags.c_contiguous


class Prefetch:
    """Gathers a table's rows in a thread of its own, a few batches ahead of the last one asked for.

    Batch k is gathered into slot k mod S, page-locked for a GPU, and copied from there without waiting. The
    one thread works in order, at most S − 2 batches ahead, so a slot is free when it comes round again:
    only the copy out of it may still be under way, and is waited for.
    """

    AHEAD = 3

    def __init__(
        self,
        store: _InMemory | _OnDisk,
        index: Callable[[int], Tensor],
        batch_size: int,
        device: torch.device,
    ):
        self._store, self._index, self._device = store, index, device
        cuda = device.type == "cuda"
        shape = (self.AHEAD + 2, batch_size, *store.shape)
        self._slots = torch.empty(shape, dtype=store.dtype, pin_memory=cuda)
        self._copied = [torch.cuda.Event() if cuda else None for _ in self._slots]
        self._pending: dict[int, Future[Tensor]] = {}
        self._pool = ThreadPoolExecutor(1, "prefetch")

    def batch(self, number: int) -> Tensor:
        """Batch `number` on the device. Asking in ascending order is fast, any other order is right too."""
        window = range(number, number + self.AHEAD + 1)
        for old in [n for n in self._pending if n not in window]:
            self._pending.pop(old).cancel()
        for new in window:
            if new not in self._pending:
                self._submit(new)
        slot = self._pending.pop(number).result()
        batch = slot.to(self._device, non_blocking=True, copy=True)
        event = self._copied[number % len(self._slots)]
        if event is not None:
            event.record()
        return batch

    def close(self) -> None:
        """Drop what is not gathered yet, and wait for the thread to end."""
        self._pool.shutdown(cancel_futures=True)
        self._store.close()

    def _submit(self, number: int) -> None:
        event = self._copied[number % len(self._slots)]
        if event is not None:
            event.synchronize()
        self._pending[number] = self._pool.submit(self._gather, number)

    def _gather(self, number: int) -> Tensor:
        slot = self._slots[number % len(self._slots)]
        self._store.gather(self._index(number), slot)
        return slot
