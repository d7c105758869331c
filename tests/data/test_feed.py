"""The feed: every batch a function of (seed, number), from memory and from disk alike."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gan_cli.data.base import Dataset, Kind, Table
from gan_cli.data.fake import Fake
from gan_cli.data.feed import Feed, Order
from gan_cli.data.synthetic import Ring
from gan_cli.errors import InputError
from gan_cli.streams import Streams

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Counted(Dataset):
    """The numbers 0 … count − 1 as points, so that a batch tells which examples it holds."""

    count: int
    path: Path | None = None
    default_steps: int = 1
    kind: ClassVar[Kind] = "points"

    @property
    def shape(self) -> tuple[int, ...]:
        return (1,)

    def load(self) -> Table:
        points = np.arange(self.count, dtype=np.float32)[:, None]
        if self.path is not None:
            np.save(self.path, points)
            points = np.load(self.path, mmap_mode="c")
        return Table(points)


def feed(dataset: Dataset, batch_size: int, seed: int = 0, budget_mb: float = 1024) -> Feed:
    return Feed(dataset, batch_size, Streams(seed, CPU), CPU, budget_mb)


@given(st.integers(1, 30), st.integers(1, 70), st.integers(0, 5))
def test_the_order_is_one_permutation_after_another(count: int, batch: int, seed: int) -> None:
    handed = feed(Counted(count), batch, seed)
    numbers = range(2 * count // batch + 2)
    seen = torch.cat([handed.batch(n) for n in numbers]).flatten().long()
    for start in range(0, len(seen) - count + 1, count):
        assert sorted(seen[start : start + count].tolist()) == list(range(count))
    assert torch.equal(seen, Order(seed, count, CPU).slice(0, len(seen)))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    first, second = Order(0, 100, CPU).slice(0, 200).split(100)
    assert not torch.equal(first, second)
    assert not torch.equal(first, Order(1, 100, CPU).slice(0, 100))


@pytest.mark.parametrize("budget_mb", [1024, 0])
def test_any_batch_can_be_asked_for_at_any_time(budget_mb: float) -> None:
    with feed(Fake(count=50), 8) as straight, feed(Fake(count=50), 8, budget_mb=budget_mb) as jumping:
        batches = [straight.batch(n) for n in range(40)]
        for number in (39, 0, 1, 2, 7, 5, 6, 5, 20, 21, 22, 23, 24, 0, 13, 15, 17, 19, 30, 29):
            assert torch.equal(jumping.batch(number), batches[number]), number


@pytest.mark.parametrize("batch", [7, 64])
def test_mapped_memory_gives_the_same_batches_as_the_device(tmp_path: Path, batch: int) -> None:
    path = tmp_path / "points.npy"
    with feed(Counted(50), batch) as memory, feed(Counted(50, path), batch, budget_mb=0) as disk:
        assert any(thread.name.startswith("prefetch") for thread in threading.enumerate()) is False
        kept = [disk.batch(n) for n in range(60)]
        assert any(thread.name.startswith("prefetch") for thread in threading.enumerate())
        # Kept batches must not be written over by later ones.
        for number, found in enumerate(kept):
            assert torch.equal(memory.batch(number), found)


def test_small_mapped_tables_are_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "points.npy"
    with feed(Counted(10, path), 10) as handed:
        with path.open("r+b") as file:
            file.truncate(128)
        assert sorted(handed.batch(0).flatten().tolist()) == list(range(10))


@dataclass(frozen=True)
class Mapped(Counted):
    """Rows of 12 KiB in a file, as of small photographs, or a part of them."""

    part: slice = field(default_factory=lambda: slice(None))

    def load(self) -> Table:
        assert self.path is not None
        return Table(np.load(self.path, mmap_mode="c")[self.part])


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mapped") / "images.npy"
    rows = np.lib.format.open_memmap(path, "w+", np.uint8, (4000, 3, 64, 64))
    rows[:] = np.arange(4000).reshape(-1, 1, 1, 1) % 251
    rows.flush()
    return path


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no count of resident pages")
def test_what_is_read_from_disk_stays_out_of_memory(photographs: Path) -> None:
    def resident() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    with feed(Mapped(4000, photographs), 64, budget_mb=0) as handed:
        for number in range(5):
            handed.batch(number)
        before = resident()
        for number in range(5, 68):
            handed.batch(number)
        assert resident() - before < 24, "of 47 MiB"


@pytest.mark.parametrize("part", [slice(None), slice(100, 300), slice(None, None, 3)])
def test_parts_of_a_mapped_file_are_read_right(photographs: Path, part: slice) -> None:
    dataset = Mapped(4000, photographs, part=part)
    with feed(dataset, 50) as memory, feed(dataset, 50, budget_mb=0) as disk:
        for number in range(9):
            assert torch.equal(memory.batch(number), disk.batch(number))


def test_a_file_that_ends_too_early_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "points.npy"
    with feed(Counted(50, path), 50, budget_mb=0) as handed:
        with path.open("r+b") as file:
            file.truncate(200)
        with pytest.raises(InputError, match=r"cannot read row \d+ of .*points.npy: the file is damaged"):
            handed.batch(4)


def test_a_distribution_is_drawn_by_number() -> None:
    a, b, other = feed(Ring(), 16), feed(Ring(), 16), feed(Ring(), 16, seed=1)
    batches = [a.batch(n) for n in range(3)]
    assert batches[0].shape == (16, 2)
    assert torch.equal(b.batch(2), batches[2])
    assert not torch.equal(batches[0], batches[1])
    assert not torch.equal(other.batch(0), batches[0])


def test_what_fails_in_the_thread_is_raised_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Order, start: int, length: int) -> torch.Tensor:
        if start >= 8:
            raise RuntimeError("the disk went away")
        return torch.arange(start, start + length)

    monkeypatch.setattr(Order, "slice", broken)
    with feed(Fake(count=50), 4, budget_mb=0) as handed:
        handed.batch(0)
        handed.batch(1)
        with pytest.raises(RuntimeError, match="the disk went away"):
            handed.batch(2)


def test_close_ends_the_thread_and_may_be_called_twice() -> None:
    handed = feed(Fake(count=50), 4, budget_mb=0)
    handed.batch(0)
    handed.close()
    handed.close()
    assert not any(thread.name.startswith("prefetch") for thread in threading.enumerate())


def test_no_more_than_two_permutations_are_kept() -> None:
    order = Order(0, 10, CPU)
    for position in range(0, 1000, 7):
        order.slice(position, 7)
        assert len(order._epochs) <= 2


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(InputError, match="holds no examples"):
        feed(Counted(0), 4)


@pytest.mark.parametrize(
    "device", [CPU, *(torch.device("cuda", k) for k in range(torch.cuda.device_count()))], ids=str
)
@pytest.mark.parametrize("budget_mb", [1024, 0])
def test_every_device_gets_the_same_batches(device: torch.device, budget_mb: float) -> None:
    with (
        feed(Fake(count=500), 64) as expected,
        Feed(Fake(count=500), 64, Streams(0, device), device, budget_mb) as handed,
    ):
        batches = [handed.batch(n) for n in range(50)]
        assert all(batch.device == device for batch in batches)
        assert all(torch.equal(batch.cpu(), expected.batch(n)) for n, batch in enumerate(batches))
