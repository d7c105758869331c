"""Every ratio of docs/performance.md in one table, beside what it should be.

    python -m benchmarks              all rows that this machine can make
    python -m benchmarks --rows 1 3   some of them, by number
    python -m benchmarks --quick      shorter turns, for a look

A row that fails says so, and the others go on. Rows for a GPU are there where one is.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from benchmarks import data, loop, observers, sweeps, unrolling
from benchmarks.common import machine, prepared
from gan_cli.data.image_folder import ImageFolder

HALF = ["runtime.precision=bf16", "runtime.channels_last=true"]
SMALL = ["batch_size=128", "model.width=64"]
HEAD = "| | what | against | measured | wanted |\n|--:|---|---|--:|--:|"


@dataclass(frozen=True)
class Line:
    """One ratio: what is measured, against what, how, and what it should be."""

    what: str
    against: str
    measure: Callable[[], str]
    wanted: str


@dataclass(frozen=True)
class Effort:
    """How long is measured."""

    blocks: int = 7
    seconds: float = 2.0
    turns: int = 3
    files: int = 100_000


QUICK = Effort(blocks=3, seconds=0.5, turns=1, files=2_000)


def faster(
    case: str, device: str, effort: Effort, *settings: str, tuned: bool = False, watched: bool = False
) -> str:
    """How many times the plain loop's steps a second ours does."""
    _, built = prepared(case, device, settings)
    row = loop.measured(case, built, watched, effort.blocks, effort.seconds, tuned)
    return f"{row.ratio:.2f}"


def ahead(effort: Effort, *settings: str) -> str:
    """How many ordinary eager rounds a round with ten moves ahead takes."""
    _, built = prepared("ring", "cpu", [*SMALL, *settings])
    line = unrolling.rows("ring", built, [10], effort.blocks, effort.seconds / 4)[1]
    return line.split("|")[6].strip()


def watching(case: str, effort: Effort) -> str:
    """What a run's observers cost at the defaults."""
    _, built = prepared(case, "cpu", [])
    return bold(observers.measured(case, built, effort.turns)[0])


def together(device: str, effort: Effort) -> str:
    """How many times the basic launcher's runs·steps a second 64 runs in one ensemble do."""
    asked = argparse.Namespace(runs=64, basic=2, turns=effort.turns, steps=2_000, overrides=[])
    return bold(sweeps.row(device, 64, asked))


def images(effort: Effort) -> str:
    """Images a second, decoded and then fed from disk, and the resident memory."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "images"
        data.fill(folder, effort.files, (64, 64))
        dataset = ImageFolder(root=str(folder), size=64, cache=str(Path(place) / "cache"))
        made, fed = data.cached(dataset, ""), data.fed(dataset, 128, 2 * effort.files // 128)
    rates = [pace.images / pace.wall for pace in (made, fed)]
    return f"{rates[0]:,.0f}; {rates[1]:,.0f}; {fed.resident:,.0f} MiB"


def bold(row: str) -> str:
    """The number that a table's row sets in bold."""
    found = re.search(r"\*\*(.+?)\*\*", row)
    assert found is not None
    return found.group(1)


def lines(effort: Effort) -> Iterator[Line]:
    """What is measured on this machine."""
    plain = "plain loop, steps/s"

    def on_cpu(case: str, *settings: str) -> Callable[[], str]:
        return lambda: faster(case, "cpu", effort, *settings)

    yield Line("MNIST, `dcgan`, defaults", plain, on_cpu("mnist"), "")
    yield Line("MNIST, `dcgan`, bf16, channels last", plain, on_cpu("mnist", *HALF), "≥ 1.6")
    yield Line("ring, `mlp`, defaults", plain, on_cpu("ring"), "")
    small = on_cpu("ring", *SMALL, "runtime.compile=on")
    yield Line("ring, `mlp`, batch 128, hidden 64, compiled", plain, small, "≥ 2")
    yield Line("ring, K = 10 moves ahead", "ordinary eager round, time", partial(ahead, effort), "")
    compiled = partial(ahead, effort, "runtime.compile=on")
    yield Line("ring, K = 10, moves compiled", "ordinary eager round, time", compiled, "≤ 9")
    yield Line("ring, observers at defaults", "none, time", partial(watching, "ring", effort), "< 2%")
    yield Line("MNIST, observers at defaults", "none, time", partial(watching, "mnist", effort), "< 2%")
    sweep = partial(together, "cpu", effort)
    yield Line("64 ring runs, batch 64, hidden 32, one ensemble", "basic launcher", sweep, "≥ 8")
    wanted = "≥ 1,500; ≥ 20,000; < 1,024 MiB"
    yield Line(
        f"{effort.files:,} files of 64 pixels", "decoded/s; fed/s; memory", partial(images, effort), wanted
    )
    if torch.cuda.is_available():
        yield from gpu(effort)


def gpu(effort: Effort) -> Iterator[Line]:
    """The rows of a GPU."""

    def on_gpu(case: str, *settings: str, tuned: bool = False) -> Callable[[], str]:
        return lambda: faster(case, "cuda", effort, *settings, tuned=tuned)

    fast = [*HALF, "runtime.compile=on"]
    yield Line("GPU: 64 pixels, `dcgan`, batch 128", "plain loop", on_gpu("dcgan64", *fast), "≥ 5")
    tuned = on_gpu("dcgan64", *fast, tuned=True)
    yield Line("GPU: the same", "plain loop, bf16, channels last, fused Adam", tuned, "≥ 2.5")
    yield Line("GPU: ring, `mlp`", "plain loop", on_gpu("ring", "runtime.compile=on"), "≥ 20")
    yield Line("GPU: MNIST, `dcgan`, K = 5", "plain loop unrolled", on_gpu("unrolled", *HALF), "≥ 3")
    sweep = partial(together, "cuda", replace(effort, turns=1))
    yield Line("GPU: 64 ring runs, batch 512, hidden 128, one ensemble", "basic launcher", sweep, "≥ 30")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=str(__doc__).splitlines()[0])
    parser.add_argument("--rows", nargs="+", type=int, help="their numbers; all, if none is named")
    parser.add_argument("--quick", action="store_true", help="shorter turns and fewer files")
    asked = parser.parse_args()
    print(f"{machine()}\n\n{HEAD}", flush=True)
    for number, line in enumerate(lines(QUICK if asked.quick else Effort()), start=1):
        if asked.rows and number not in asked.rows:
            continue
        try:
            measured = f"**{line.measure()}**"
        except Exception as error:  # noqa: BLE001 - the other rows go on
            measured = f"failed: {type(error).__name__}: {error}".splitlines()[0]
        print(f"| {number} | {line.what} | {line.against} | {measured} | {line.wanted} |", flush=True)


if __name__ == "__main__":
    main()
