"""Time and memory of a round whose generator sees the critic K moves ahead, beside their arithmetic floor.

    python -m benchmarks.unrolling                             every row, K = 0, 1, 2, 5, 10
    python -m benchmarks.unrolling --rows ring --steps 5       one case, one K
    python -m benchmarks.unrolling runtime.compile=on          the moves ahead compiled; K = 0 stays eager

The floor is 1 + 2K·(a move of the critic, its gradient included)/(an ordinary round), both measured in the
same turns: the move is made and, for the generator's gradient, gone back through, for no more than making it
took. All variants take turns in short blocks within one process; a ratio is that of a block and the block of
the ordinary round in the same turn, and the table shows the median over the turns.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from benchmarks.common import begun, now, parser
from gan_cli import dynamics
from gan_cli.build import Experiment
from gan_cli.data.feed import Feed
from gan_cli.game import Game
from gan_cli.runtime import driven, prepare
from gan_cli.streams import Streams
from gan_cli.types import Round, State

HEAD = (
    "| case | device | K | recompute | ms a round | ratio to K = 0 | floor | ratio ÷ floor | peak MiB |",
    "|---|---|--:|---|--:|--:|--:|--:|--:|",
)
Job = Callable[[], Any]


@dataclass(frozen=True)
class Variant:
    """One line of the table: how far ahead, and how its moves are kept."""

    steps: int
    recompute: bool
    job: Job


class Rounds:
    """One game played on and on, on the same few batches."""

    def __init__(self, game: Game, state: State, batches: Sequence[Round]):
        self.game, self.state, self.batches, self.number = game, state, batches, 0

    def __call__(self) -> None:
        """The next round."""
        self.state, _ = self.game.play(self.state, self.batches[self.number % len(self.batches)])
        self.number += 1


def peak_memory(job: Job, device: torch.device | None = None) -> int:
    """The most bytes of tensors that the job holds at once, above those that were there before it."""
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        job()
        return torch.cuda.max_memory_allocated(device) - before
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        job()
    assert profile.profiler is not None
    results = profile.profiler.kineto_results
    assert results is not None
    changes = sorted((e.start_ns(), e.nbytes()) for e in results.events() if e.name() == "[memory]")
    most = held = 0
    for _, size in changes:
        held += size
        most = max(most, held)
    return most


def timed(job: Job, count: int, device: torch.device) -> float:
    """Seconds that one of `count` calls takes."""
    start = now(device)
    for _ in range(count):
        job()
    return (now(device) - start) / count


def critic_move(game: Game, state: State, batches: Round) -> Job:
    """An ordinary move of the critic on a batch that is made ready."""
    batch = batches.critic[-1]
    move: Callable[..., object] = partial(dynamics.critic_move, game)
    with torch.no_grad():
        fake, _ = game.generate(state.generator, batch.latent)
        seen = game.seen(game.prepared(batch), fake, batch, state.step)

    @torch.no_grad()
    def job() -> None:
        move(state.critic, state.generator, seen, batch)

    return job


def rows(case: str, built: Experiment, steps: Sequence[int], blocks: int, seconds: float) -> list[str]:
    """The lines of one case."""
    prepare(built.runtime, built.device)
    game, device, streams = built.game, built.device, Streams(built.seed, built.device)
    with Feed(built.dataset, game.batch_size, streams, device) as feed:
        batches = [game.draw(n, feed, streams) for n in range(4)]
    state = game.init(built.seed, device)
    asked = [(k, again) for k in sorted({0, *steps}) for again in ((False, True) if k > 1 else (False,))]

    def played(k: int, again: bool) -> Game:
        ahead = replace(game, unroll=k, recompute=again)
        faster = driven(ahead, built.runtime, device, built.steps) if k else ahead
        assert isinstance(faster, Game)
        return faster

    variants = [Variant(k, again, Rounds(played(k, again), state, batches)) for k, again in asked]
    move = critic_move(game, state, batches[0])
    jobs = [move, *(v.job for v in variants)]
    for job in jobs:
        job()  # compiles, and warms up
    counts = [max(1, round(seconds / timed(job, 2, device))) for job in jobs]
    turns = [[timed(job, n, device) for job, n in zip(jobs, counts, strict=True)] for _ in range(blocks)]
    share = statistics.median(turn[0] / turn[1] for turn in turns)
    lines = []
    for i, variant in enumerate(variants, 1):
        ratio = statistics.median(turn[i] / turn[1] for turn in turns)
        floor = 1 + 2 * variant.steps * share
        cells = [case, device.type, str(variant.steps), "yes" if variant.recompute else "no"]
        cells += [f"{1000 * statistics.median(turn[i] for turn in turns):,.2f}"]
        cells += [f"{ratio:.2f}", f"{floor:.2f}", f"**{ratio / floor:.2f}**"]
        cells += [f"{peak_memory(variant.job, device) / 2**20:,.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Print the table."""
    asked = parser("unrolling", str(__doc__), blocks=7, seconds=0.5)
    asked.add_argument(
        "--steps", nargs="+", type=int, default=[0, 1, 2, 5, 10], help="K (default 0 1 2 5 10)"
    )
    chosen = asked.parse_intermixed_args()
    for name, built in begun(chosen, HEAD):
        print("\n".join(rows(name, built, chosen.steps, chosen.blocks, chosen.seconds)), flush=True)


if __name__ == "__main__":
    main()
