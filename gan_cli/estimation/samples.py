"""Two sample sets as an estimator needs them: four disjoint parts, fresh draws wherever there is a law."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from gan_cli.checks import require
from gan_cli.data.base import Dataset, Sampler, Table
from gan_cli.data.feed import Order
from gan_cli.streams import Streams

Part = Literal["train", "validation", "calibration", "held_out"]
SHARES: dict[Part, float] = {"train": 0.6, "validation": 0.1, "calibration": 0.1, "held_out": 0.2}
"""The shares of a table's examples; no example is in two parts."""
FEWEST = 40
"""The smallest table that can be parted."""
_AT_ONCE = 4096

Draw = Callable[[torch.Generator, int], Tensor]


class Source(Protocol):
    """Examples of one law as the critic sees them, [n, *shape]."""

    def batch(self, number: int, size: int, /) -> Tensor:
        """Training batch `number`, a pure function of seed and number."""
        ...

    def part(self, part: Part, most: int, /) -> Iterator[Tensor]:
        """A part's examples in chunks, `most` of them or all that there are; the same in every call."""
        ...


class Fresh:
    """A law that can be drawn from without end: every batch and every part from streams of their own.

    name: tells the streams of two laws apart, so that they are independent even where they are equal.
    """

    def __init__(self, draw: Draw, streams: Streams, name: str) -> None:
        self._draw, self._streams, self._name = draw, streams, name

    def batch(self, number: int, size: int) -> Tensor:
        return self._draw(self._streams.at(f"{self._name}/train", number), size)

    def part(self, part: Part, most: int) -> Iterator[Tensor]:
        purpose = f"{self._name}/{part}/whole" if part == "train" else f"{self._name}/{part}"
        for number, start in enumerate(range(0, most, _AT_ONCE)):
            yield self._draw(self._streams.at(purpose, number), min(_AT_ONCE, most - start))


class Split:
    """Finitely many examples, parted at random: 60 % train, 10 % validation, 10 % calibration, 20 % held out.

    The parting depends on the seed and the number of examples alone, so that two sides that are one table
    share their parts, and what one holds out the other has not trained on. redraw: what makes raw examples
    anew at each use (see `Dataset.redraw`). Raises ValueError for a table of fewer than 40.
    """

    def __init__(
        self,
        table: Table,
        prepare: Callable[[Tensor], Tensor],
        streams: Streams,
        name: str,
        redraw: Callable[[Tensor, torch.Generator], Tensor] = lambda raw, generator: raw,
    ) -> None:
        require(len(table) >= FEWEST, "the number of examples", f"at least {FEWEST}", len(table))
        self._table, self._prepare = table, prepare
        self._streams, self._name, self._redraw = streams, name, redraw
        cpu = Streams(streams.seed, torch.device("cpu"))
        order = torch.randperm(len(table), generator=cpu.at("parts", len(table)))
        ends = np.cumsum([round(share * len(table)) for share in SHARES.values()])[:-1].tolist()
        self._rows = dict(zip(SHARES, torch.tensor_split(order, ends), strict=True))
        seed = int(torch.randint(2**31, (), generator=cpu.at(f"{name}/train", 0)))
        self._order = Order(seed, len(self._rows["train"]), torch.device("cpu"))

    def batch(self, number: int, size: int) -> Tensor:
        rows = self._rows["train"][self._order.slice(number * size, size)]
        return self._read(rows, "redraw", number)

    def part(self, part: Part, most: int) -> Iterator[Tensor]:
        for number, rows in enumerate(self._rows[part][:most].split(_AT_ONCE)):
            yield self._read(rows, f"{part}/redraw", number)

    def _read(self, rows: Tensor, purpose: str, number: int) -> Tensor:
        raw = self._table.rows(rows).to(self._streams.device)
        return self._prepare(self._redraw(raw, self._streams.at(f"{self._name}/{purpose}", number)))


def source(dataset: Dataset, data: Table | Sampler, streams: Streams, name: str) -> Source:
    """The source of loaded data: fresh where it is a law, parted where it is a table."""
    if isinstance(data, Sampler):
        law = data.to(streams.device)

        def draw(generator: torch.Generator, n: int) -> Tensor:
            return dataset.prepare(dataset.redraw(law.sample(generator, n), generator))

        return Fresh(draw, streams, name)
    return Split(data, dataset.prepare, streams, name, dataset.redraw)
