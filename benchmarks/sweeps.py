"""Runs·steps a second of `hydra/launcher=ensemble` against Hydra's basic launcher, both by the command line.

    python -m benchmarks.sweeps                      64 runs on the ring, in ensembles of 64
    python -m benchmarks.sweeps --widths 16 64       and of 16
    python -m benchmarks.sweeps sample_every=500     with pictures, which are off else, as evaluations are

Both train the same two MLPs with the same settings; the basic launcher a few of the runs only, as each takes
as long as any other. The launchers take turns, so that what else the machine does hits both; a rate is that
of the best of the turns, a ratio the median of those within each turn. Times are the runs' own, from
summary.json: from a run's start to its end, without importing, building and compiling, which stand in
columns of their own.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.common import machine

SETTING = ["data=ring", "model=mlp", "sample_every=0", "evaluate_every=0", "checkpoint_every=0"]
SIZES = {"cpu": (64, 32), "cuda": (512, 128)}
"""Batch and hidden width for each device."""
HEAD = (
    "| device | batch | hidden | width | runs | runs·steps/s | basic | ratio | range "
    "| compiling | wall | basic's |",
    "|---|--:|--:|--:|--:|--:|--:|--:|---|--:|--:|--:|",
)


@dataclass(frozen=True)
class Sweep:
    """What one sweep came to: runs·steps a second, seconds of compiling, and of all from start to end."""

    rate: float
    compiling: float
    wall: float


def swept(jobs: int, steps: int, words: Sequence[str], together: bool) -> Sweep:
    """One sweep over seeds in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        seeds = ",".join(map(str, range(jobs)))
        sweep = ["-m", f"seed={seeds}", f"steps={steps}", f"hydra.sweep.dir={folder}"]
        began = time.perf_counter()
        command = [sys.executable, "-m", "gan_cli", *SETTING, *words, *sweep]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        wall = time.perf_counter() - began
        if ended.returncode:
            raise SystemExit(ended.stderr)
        seconds = [json.loads(file.read_text())["seconds"] for file in Path(folder).glob("*/summary.json")]
    compiled = sum(map(float, re.findall(r"compiled in (\d+) s", ended.stdout + ended.stderr)))
    # Chunks follow each other, runs of a chunk do not.
    chunks = -(-jobs // _width(words)) if together else jobs
    training = chunks * statistics.mean(seconds)
    return Sweep(jobs * steps / training, compiled, wall)


def _width(words: Sequence[str]) -> int:
    return next(int(word.partition("=")[2]) for word in words if word.startswith("hydra.launcher.width="))


def row(device: str, width: int, chosen: argparse.Namespace) -> str:
    """One line of the table."""
    batch, hidden = SIZES[device]
    words = [f"device={device}", f"batch_size={batch}", f"model.width={hidden}", *chosen.overrides]
    ours = [*words, "hydra/launcher=ensemble", f"hydra.launcher.width={width}", "hydra.launcher.compile=on"]
    turns = [
        (
            swept(chosen.basic, chosen.steps, words, together=False),
            swept(chosen.runs, chosen.steps, ours, together=True),
        )
        for _ in range(chosen.turns)
    ]
    ratios = [ensemble.rate / basic.rate for basic, ensemble in turns]
    best = max(ensemble.rate for _, ensemble in turns), max(basic.rate for basic, _ in turns)
    compiling = statistics.median(ensemble.compiling for _, ensemble in turns)
    walls = [statistics.median(turn[i].wall for turn in turns) for i in (1, 0)]
    walls[1] *= chosen.runs / chosen.basic
    cells = [
        device,
        str(batch),
        str(hidden),
        str(width),
        str(chosen.runs),
        *(f"{rate:,.0f}" for rate in best),
    ]
    cells += [f"**{statistics.median(ratios):.1f}**", f"{min(ratios):.1f}–{max(ratios):.1f}"]
    cells += [f"{compiling:.0f} s", *(f"{wall:.0f} s" for wall in walls)]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks.sweeps")
    asked.add_argument("--runs", type=int, default=64, help="of the ensemble (default 64)")
    asked.add_argument("--basic", type=int, default=3, help="runs of the basic launcher (default 3)")
    asked.add_argument("--steps", type=int, default=2000, help="of each run (default 2000)")
    asked.add_argument("--widths", type=int, nargs="+", default=[64], help="of the ensembles (default 64)")
    asked.add_argument("--turns", type=int, default=3, help="of each launcher (default 3)")
    asked.add_argument("overrides", nargs="*", metavar="key=value", help="settings of gan-train")
    chosen = asked.parse_intermixed_args()
    print(f"{machine()}\n\n" + "\n".join(HEAD), flush=True)
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        for width in chosen.widths:
            print(row(device, width, chosen), flush=True)


if __name__ == "__main__":
    main()
