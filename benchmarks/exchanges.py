"""What the processes of one run exchange in a round: `python -m benchmarks.exchanges [override …]`.

Counted by playing one round in a group of a single process, with the operations of a group of any size.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from unittest import mock

import torch
import torch.distributed as dist
from torch import Tensor

from gan_cli.build import Experiment
from gan_cli.cli.compose import plan
from gan_cli.cli.job import experiment
from gan_cli.cli.request import parse
from gan_cli.data.feed import Feed
from gan_cli.parallel.game import shared
from gan_cli.parallel.ranks import Ranks
from gan_cli.streams import Streams

IMAGES = ["data=fake", "data.size=64", "data.channels=3", "model=dcgan", "batch_size=16"]
POINTS = ["data=ring", "model=mlp", "batch_size=16"]
GHOST, K5 = "runtime.batch_norm=ghost", ["trick=[unrolled]", "trick.unrolled.steps=5"]
CASES = {
    "ring, `mlp`": POINTS,
    "ring, `mlp`, unrolled K = 5": [*POINTS, *K5],
    "64 pixels, `dcgan`, ghost": [*IMAGES, GHOST],
    "64 pixels, `dcgan`, sync": IMAGES,
    "64 pixels, `dcgan`, ghost, unrolled K = 5": [*IMAGES, GHOST, *K5],
    "64 pixels, `dcgan`, sync, unrolled K = 5": [*IMAGES, *K5],
}


def main() -> None:
    """Print the table."""
    with TemporaryDirectory() as folder:
        dist.init_process_group("gloo", init_method=f"file://{folder}/group", rank=0, world_size=1)
    cases = {" ".join(sys.argv[1:]): sys.argv[1:]} if sys.argv[1:] else CASES
    print("| case | exchanges a round | MB a round | of these above 64 kB |\n|---|--:|--:|--:|")
    for name, line in cases.items():
        made: Experiment = experiment(plan(parse([*line, "device=cpu"])).jobs[0].config)
        sizes = exchanged(made)
        large = [size for size in sizes if size > 2**16]
        print(f"| {name} | {len(sizes)} | {sum(sizes) / 1e6:.1f} | {len(large)} |")
    dist.destroy_process_group()


def exchanged(made: Experiment) -> list[int]:
    """The sizes in bytes of one round's exchanges."""
    # As the first of any number, with all rows: what is exchanged is the same but for the scores.
    ranks = mock.Mock(spec=Ranks, count=2, rank=0, rows=lambda size: slice(0, size))
    game = shared(made.game, ranks, made.runtime)
    cpu = torch.device("cpu")
    streams = Streams(made.seed, cpu)
    with Feed(made.dataset, game.batch_size, streams, cpu) as feed, counted() as sizes:
        game.play(game.init(made.seed), game.draw(0, feed, streams))
    return sizes


@contextmanager
def counted() -> Iterator[list[int]]:
    """The sizes of all sums over processes within the block."""
    sizes: list[int] = []
    summed = dist.all_reduce

    def all_reduce(x: Tensor) -> None:
        sizes.append(x.nbytes)
        summed(x)

    with mock.patch.object(dist, "all_reduce", all_reduce):
        yield sizes


if __name__ == "__main__":
    main()
