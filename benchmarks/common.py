"""What the benchmarks share: their cases, the machine's name, a clock, and what they are asked."""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import torch

from gan_cli.build import Experiment
from gan_cli.cli.compose import plan
from gan_cli.cli.job import experiment
from gan_cli.cli.request import parse
from gan_cli.errors import InputError

CASES = {
    "ring": ["data=ring", "model=mlp"],
    "mnist": ["data=mnist", "data.download=false", "model=dcgan"],
    "dcgan64": ["data=fake", "data.size=64", "data.count=10000", "model=dcgan", "batch_size=128"],
    "unrolled": [
        "data=mnist",
        "data.download=false",
        "model=dcgan",
        "trick=[unrolled]",
        "trick.unrolled.steps=5",
    ],
}
STAND_IN = ["data=fake", "data.size=28", "data.count=60000"]


def now(device: torch.device) -> float:
    """Seconds on a clock, once the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def composed(overrides: Iterable[str]) -> Experiment:
    """The experiment of a command line's overrides."""
    built: Experiment = experiment(plan(parse([*overrides, "loss=gan_ns"])).jobs[0].config)
    return built


def prepared(case: str, device: str, more: Sequence[str]) -> tuple[str, Experiment]:
    """The case's name and experiment; noise of the same size stands in for images that are not there."""
    built = composed([*CASES[case], f"device={device}", *more])
    try:
        built.dataset.preflight()
    except InputError:
        print(
            f"{case} is not there (set GAN_DATA): uniform noise of the same size stands in for it", flush=True
        )
        rest = [line for line in CASES[case] if not line.startswith("data")]
        return f"{case}-sized noise", composed([*rest, *STAND_IN, f"device={device}", *more])
    return case, built


def machine() -> str:
    """The processor, cores, GPU and versions that the numbers belong to."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    cpu = names[0] if names else platform.processor() or platform.machine()
    parts = [f"{cpu}, {len(os.sched_getaffinity(0))} cores, {torch.get_num_threads()} threads"]
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    return "; ".join([*parts, f"PyTorch {torch.__version__}, Python {platform.python_version()}"])


def parser(name: str, doc: str, blocks: int, seconds: float) -> argparse.ArgumentParser:
    """What the benchmarks of whole rounds are asked alike."""
    asked = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=doc.splitlines()[0])
    asked.add_argument("--rows", nargs="+", choices=list(CASES), default=["ring", "mnist"])
    asked.add_argument("--blocks", type=int, default=blocks, help=f"timed turns (default {blocks})")
    asked.add_argument(
        "--seconds", type=float, default=seconds, help=f"length of a block, about (default {seconds:g})"
    )
    asked.add_argument("overrides", nargs="*", metavar="key=value", help="settings of gan-train")
    return asked


def begun(chosen: argparse.Namespace, head: Sequence[str]) -> list[tuple[str, Experiment]]:
    """The asked cases on each device that is there, after the table's head."""
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    cases = [prepared(case, device, chosen.overrides) for device in devices for case in chosen.rows]
    print(f"\n{machine()}\n\n" + "\n".join(head), flush=True)
    return cases


@contextmanager
def quiet() -> Iterator[None]:
    """Without what a run says on the terminal."""
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        yield
