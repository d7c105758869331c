"""gan-estimate against known answers: python -m benchmarks.estimates [--losses fgan_kl,…] [--pairs …]
[--seeds 3].

Prints a table in Markdown: of each divergence and each pair of laws the exact value and the relative errors
of the held-out bounds, one for each seed; in brackets those that are called unreliable.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from gan_cli.data.base import Dataset, Distribution
from gan_cli.data.gaussian import Gaussian
from gan_cli.data.synthetic import Mixture
from gan_cli.estimation.estimate import Estimate, estimate
from gan_cli.estimation.samples import source
from gan_cli.estimation.training import Settings
from gan_cli.losses.base import Loss
from gan_cli.models.mlp import Critic
from gan_cli.network import Network
from gan_cli.streams import Streams
from gan_cli.transforms.adam import Adam

CONFIGS = Path(__file__).parent.parent / "configs" / "loss"
PAIRS: dict[str, tuple[Dataset, Dataset]] = {
    "1-D": (Gaussian(mean=(0.0,)), Gaussian(mean=(0.7,))),
    "2-D": (Gaussian(covariance=((1.0, 0.3), (0.3, 1.0))), Gaussian(mean=(0.5, 0.0), std=(1.1,))),
    "10-D": (Gaussian(mean=(0.0,), dimension=10), Gaussian(mean=(0.25,), dimension=10)),
    "mixture": (Mixture(means=((-1.5,), (1.5,)), stds=(0.8,)), Gaussian(mean=(0.0,), std=(1.7,))),
}
LOSSES = [
    "gan", "fgan_gan", "fgan_js", "fgan_wjs", "fgan_kl", "fgan_rkl", "fgan_jeffreys", "fgan_hellinger",
    "fgan_alpha", "fgan_pearson", "fgan_neyman", "fgan_tv", "lsgan", "rpgan", "hinge",
]  # fmt: skip


def measured(
    loss: Loss, pair: tuple[Dataset, Dataset], seed: int, steps: int = 3000, samples: int = 1_000_000
) -> Estimate:
    """One estimate with gan-estimate's critic, rate, batches and held-out examples."""
    streams = Streams(seed, torch.device("cpu"))
    laws = [dataset.load() for dataset in pair]
    p, q = (source(d, law, streams, name) for d, law, name in zip(pair, laws, "pq", strict=True))
    network = Network(lambda: Critic(pair[0].shape, width=64, depth=2, activation="elu"))
    optimizer = Adam(lr=3e-3, betas=(0.9, 0.999))
    settings = Settings(steps=steps, samples=samples, optimizer=optimizer)
    assert isinstance(laws[0], Distribution)
    assert isinstance(laws[1], Distribution)
    return estimate(loss, network, p, q, settings, streams, (laws[0], laws[1])).estimate


def cell(found: list[Estimate]) -> str:
    """The exact value and the relative errors."""
    first = found[0].truth
    if first is None or math.isinf(first.exact.value):
        return "∞ (said so)" if not any(one.reliable for one in found) else "∞, MISSED"
    errors = []
    for one in found:
        assert one.truth is not None
        text = f"{one.truth.relative_error:+.1%}"
        errors.append(text if one.reliable else f"({text})")
    return f"{first.exact.value:.4f}: {' '.join(errors)}"


def main() -> None:
    """Measure, and print each row as it is done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--losses", default=",".join(LOSSES))
    parser.add_argument("--pairs", default=",".join(PAIRS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--samples", type=int, default=1_000_000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pairs, size = arguments.pairs.split(","), (arguments.steps, arguments.samples)
    print("| loss | bound on |", " | ".join(pairs), "|")
    print("|---|---|", "|".join("---" for _ in pairs), "|", sep="")
    for name in arguments.losses.split(","):
        loss = instantiate(OmegaConf.load(CONFIGS / f"{name}.yaml"), _convert_="all")
        cells = [
            cell([measured(loss, PAIRS[pair], seed, *size) for seed in range(arguments.seeds)])
            for pair in pairs
        ]
        print(f"| `{name}` | {loss.divergence_name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
