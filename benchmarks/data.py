"""How fast a folder of image files becomes batches: decoded once, then read from disk by a thread.

    python -m benchmarks.data                              100,000 files of 64 × 64 pixels
    python -m benchmarks.data --count 5000 --sides 178 218 fewer, as large as CelebA's
    python -m benchmarks.data --folder /data/scratch       on another disk than that of temporary files

Resident is the most memory that the process held while it fed, of which `before` was there when it began:
PyTorch and the table's labels. The system keeps what was read in its own cache, where it has room.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from benchmarks.common import machine
from benchmarks.observers import resident
from gan_cli.data.feed import Feed
from gan_cli.data.image_folder import ImageFolder
from gan_cli.streams import Streams

HEAD = (
    "| what | images | images/s | images a second of processor time | before, MiB | resident, MiB |",
    "|---|--:|--:|--:|--:|--:|",
)
KINDS = 200  # different images; the rest are copies


class Pace(NamedTuple):
    """What a part took."""

    what: str
    images: int
    wall: float
    processor: float
    before: float
    resident: float

    def __str__(self) -> str:
        rates = f"{self.images / self.wall:,.0f} | {self.images / self.processor:,.0f}"
        return f"| {self.what} | {self.images:,} | {rates} | {self.before:,.0f} | {self.resident:,.0f} |"


def jpegs(width: int, height: int) -> Iterator[bytes]:
    """Smooth random images, over and over."""
    rng, made = np.random.default_rng(0), []
    for _ in range(KINDS):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        buffer = io.BytesIO()
        coarse.resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        made.append(buffer.getvalue())
    while True:
        yield from made


def fill(folder: Path, count: int, sides: tuple[int, int]) -> None:
    """Write so many JPEG files, a thousand to a folder."""
    for number, data in enumerate(islice(jpegs(*sides), count)):
        path = folder / f"{number // 1000:03d}" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def cached(dataset: ImageFolder, what: str) -> Pace:
    """Load the set: the first time it is decoded, later it is found."""
    before, wall, processor = resident(), time.perf_counter(), time.process_time()
    images = len(dataset.load())
    took = time.perf_counter() - wall, time.process_time() - processor
    return Pace(what, images, *took, before, resident())


def fed(dataset: ImageFolder, batch_size: int, batches: int) -> Pace:
    """Shuffled batches from disk, as fast as they come."""
    before, most, device = resident(), 0.0, torch.device("cpu")
    with Feed(dataset, batch_size, Streams(0, device), device, budget_mb=0) as feed:
        feed.batch(0)
        wall, processor = time.perf_counter(), time.process_time()
        for number in range(1, batches + 1):
            feed.batch(number)
            if number % 50 == 0:
                most = max(most, resident())
        took = time.perf_counter() - wall, time.process_time() - processor
    return Pace("fed from disk", batches * batch_size, *took, before, max(most, resident()))


def main() -> None:
    """Print the table."""
    asked = argparse.ArgumentParser(
        prog="python -m benchmarks.data", description=str(__doc__).splitlines()[0]
    )
    asked.add_argument("--count", type=int, default=100_000, help="files (default 100000)")
    asked.add_argument("--sides", type=int, nargs=2, default=(64, 64), metavar=("WIDTH", "HEIGHT"))
    asked.add_argument("--batch-size", type=int, default=128)
    asked.add_argument("--epochs", type=float, default=2.0, help="how often all are fed (default 2)")
    asked.add_argument("--folder", type=Path, help="where to put the files while it runs")
    chosen = asked.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as place:
        folder = Path(place) / "images"
        fill(folder, chosen.count, tuple(chosen.sides))
        dataset = ImageFolder(root=str(folder), size=64, cache=str(Path(place) / "cache"))
        print(f"\n{machine()}\n\n" + "\n".join(HEAD), flush=True)
        print(cached(dataset, f"decoded from {chosen.sides[0]} × {chosen.sides[1]}"), flush=True)
        print(cached(dataset, "found in the cache"), flush=True)
        batches = max(1, round(chosen.epochs * chosen.count / chosen.batch_size))
        print(fed(dataset, chosen.batch_size, batches), flush=True)


if __name__ == "__main__":
    main()
