"""What a sample and a log-likelihood cost: a GAN beside models of one player, on MNIST's 784 binary pixels.

    python -m benchmarks.models

Untrained models of the sizes of experiment=likelihood_mnist: milliseconds an example, in batches of 100. A
likelihood is by 100 importance samples (VAE), or by what is left once ln Z is known (RBM, whose annealed
importance sampling, 100 chains of 14,500 temperatures, is timed apart).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from benchmarks.common import machine
from gan_cli.cli.compose import plan
from gan_cli.cli.job import experiment
from gan_cli.cli.request import parse
from gan_cli.learner import Learner

CASES = {
    "GAN": ["model=mlp_fgan"],
    "VAE": ["model=vae"],
    "NADE": ["model=nade"],
    "MADE, 1 layer": ["model=made"],
    "MADE, 2 layers, 32 masks": ["model=made", "model.density.hidden=[500,500]", "model.density.masks=32"],
    "RBM, 1,000 sweeps": ["model=rbm"],
}
DATA = ["data=fake", "data.size=28", "data.channels=1", "data.binarize=fixed", "data.pixel_range=[0,1]"]
BATCH, SAMPLES, TURNS = 100, 100, 5


def seconds(call: Callable[[], object]) -> float:
    """The least time of some calls."""
    took = []
    for _ in range(TURNS):
        begin = time.perf_counter()
        call()
        took.append(time.perf_counter() - begin)
    return min(took)


@torch.no_grad()
def row(name: str, learner: Learner) -> str:
    """One model's line."""
    state, generator = learner.init(0), torch.Generator().manual_seed(0)
    latents = learner.latents(generator, BATCH)
    x = (torch.rand(BATCH, 1, 28, 28, generator=generator) < 0.2).float()
    sample = 1e3 / BATCH * seconds(lambda: learner.sample(state, latents))
    begin = time.perf_counter()
    density = learner.likelihood(state, generator, SAMPLES)
    once = time.perf_counter() - begin
    if density is None:
        return f"| {name} | {sample:.3f} | | |"
    known = 1e3 / BATCH * seconds(lambda: density.of(x))
    return f"| {name} | {sample:.3f} | {known:.3f} | {f'{once:.1f}' if once > 0.01 else ''} |"


def main() -> None:
    """Print the table."""
    print(f"\n{machine()}\n\n| model | ms a sample | ms a log-likelihood | s once |\n|---|--:|--:|--:|")
    for name, case in CASES.items():
        made = experiment(plan(parse([*DATA, *case, "device=cpu"])).jobs[0].config)
        print(row(name, made.plain), flush=True)


if __name__ == "__main__":
    main()
