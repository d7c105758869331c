"""Where a round's time goes, by kind of kernel, beside what the machine's matrix products reach.

    python -m benchmarks.kernels                                           MNIST, DCGAN, as gan-train runs it
    python -m benchmarks.kernels runtime.precision=bf16 runtime.channels_last=true
    python -m benchmarks.kernels data=fake data.size=64 batch_size=128     images of 64 pixels

The products' rate is that of one large product in the run's precision. Floating-point operations are counted
over a round played operation by operation; time is that of the kernels, on a GPU, or of the operations, on a
CPU, while rounds are played as the runtime asks. `apart` is the time in which no kernel ran: launches, and
the host's own work.
"""

from __future__ import annotations

import argparse
import re
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.common import composed, machine, now
from gan_cli.build import Experiment
from gan_cli.data.feed import Feed
from gan_cli.runtime import prepare
from gan_cli.streams import Streams

LINE = ["data=mnist", "data.download=false", "model=dcgan", "batch_size=64"]
ROUNDS = 20
KINDS = {
    # The compiler names a kernel after all that it fused, and leaves products and convolutions to libraries.
    "elementwise, fused": r"^triton_",
    "random numbers": r"\brand|random|philox|distribution_|\b(normal|uniform|bernoulli|exponential|cauchy)_",
    "convolutions, products": (
        r"convolution|conv\dd|conv_transpose|fprop|wgrad|dgrad|implicit_|gemm|gemv|cutlass|xmma|nvjet"
        r"|\b(b?mm|mv|dot|linear|baddbmm|addb?mm|addmv|matmul)\b"
    ),
    "normalisation": r"(batch|layer|group|instance)_?norm|\bbn_|welford|RowwiseMoments",
    "copies": r"copy|memcpy|memset|\bcat\b|CatArray|fill|zero|clone|convertTensor|nchw|nhwc|transpose",
    "sums": r"reduce|sum|mean|norm\b|LpNorm|\b(any|all)\b",
    "elementwise": r"",
}
BOUND = {
    "convolutions, products": "arithmetic, where its rate nears the products'",
    "normalisation": "memory: each value is read twice and written once",
    "copies": "memory",
    "random numbers": "launches, or memory",
    "sums": "memory",
    "elementwise": "memory: one pass an operation unless compiled",
    "elementwise, fused": "memory: one pass a kernel, with the sums that are fused into it",
    "apart": "the host",
}


@dataclass
class Play:
    """An experiment's rounds, one after the other."""

    built: Experiment

    def __post_init__(self) -> None:
        prepare(self.built.runtime, self.built.device)
        self.game, self.streams = self.built.learner, Streams(self.built.seed, self.built.device)
        size = self.built.game.batch_size
        self.feed = Feed(self.built.dataset, size, self.streams, self.built.device, self.built.resident_mb)
        self.state, self.step = self.game.init(self.built.seed, self.built.device), 0

    def __call__(self, count: int) -> None:
        """The next rounds."""
        for _ in range(count):
            batches = self.game.draw(self.step, self.feed, self.streams)
            self.state, _ = self.game.play(self.state, batches)
            self.step += 1

    def flops(self) -> int:
        """Floating-point operations of a round's products and convolutions."""
        with FlopCounterMode(display=False) as counter:
            self.built.game.play(self.state, self.game.draw(self.step, self.feed, self.streams))
        return int(counter.get_total_flops())


def product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of one large matrix product."""
    side = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(5):
        begin = now(device)
        for _ in range(4):
            a @ b
        best = max(best, 4 * 2 * side**3 / (now(device) - begin))
    return best


def kind(name: str) -> str:
    """The kind that a kernel or an operation is of."""
    return next(word for word, pattern in KINDS.items() if re.search(pattern, name, re.IGNORECASE))


def spent(play: Play, rounds: int) -> tuple[dict[str, float], float]:
    """Seconds a round of each kind of kernel, and of the round as a whole without the profiler."""
    device = play.built.device
    play(max(5, rounds // 2))
    begin = now(device)
    play(rounds)
    whole = (now(device) - begin) / rounds
    cuda = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as trace:
        play(rounds)
        now(device)
    seconds = dict.fromkeys(KINDS, 0.0)
    for event in trace.key_averages():
        own: Any = event.self_device_time_total if cuda else event.self_cpu_time_total
        if cuda or event.key.startswith("aten::"):
            seconds[kind(event.key)] += own * 1e-6 / rounds
    return seconds, whole


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how many are played (default {ROUNDS})")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings of gan-train")
    asked = parser.parse_intermixed_args()
    built = composed([*LINE, *asked.overrides])
    half = built.runtime["precision"] == "bf16"
    begin = time.perf_counter()
    play = Play(built)
    flops, rate = play.flops(), product_rate(built.device, torch.bfloat16 if half else built.game.dtype)
    seconds, whole = spent(play, asked.rounds)
    seconds["apart"] = max(0.0, whole - sum(seconds.values()))
    print(f"{machine()}, measured in {time.perf_counter() - begin:.0f} s\n")
    print(f"{1000 * whole:.2f} ms a round, {flops / 1e9:.2f} GFLOP in products;", end=" ")
    print(f"one large product runs at {rate / 1e12:.2f} TFLOP/s\n")
    print("| kernels | ms a round | share | of the products' rate | bound by |\n|---|--:|--:|--:|---|")
    for word, time_of in seconds.items():
        reached = f"{flops / time_of / rate:.0%}" if word.startswith("conv") and time_of else ""
        print(f"| {word} | {1000 * time_of:.2f} | {time_of / whole:.0%} | {reached} | {BOUND[word]} |")
    print(f"| **round** | {1000 * whole:.2f} | 100% | {flops / whole / rate:.0%} | |")


if __name__ == "__main__":
    main()
