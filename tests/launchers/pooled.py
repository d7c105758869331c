"""What the tests of `hydra/launcher=pool` share: data that fails as it is told to, sweeps in processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PLANTED = '''
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from gan_cli.data.synthetic import GaussianMixture, Ring


@dataclass(frozen=True)
class Law(GaussianMixture):
    """A ring whose draws take a while, until there is a file `released`."""

    def draws(self, generator, n):
        if not Path("released").exists():
            time.sleep(0.1)
        return super().draws(generator, n)

    def to(self, device):
        return self


@dataclass(frozen=True, kw_only=True)
class Planted(Ring):
    """A ring that fails where `number` is one of the jobs to fail, until there is a file `healed`."""

    number: int = 0
    slow: bool = False
    raising: tuple[int, ...] = ()
    killed: tuple[int, ...] = ()

    def load(self):
        law = super().load()
        if not Path("healed").exists():
            if self.number in self.killed:
                print("about to die", flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
            if self.number in self.raising:
                raise RuntimeError(f"planted in {self.number}")
        return Law(law.weights, law.modes, law.scale) if self.slow else law
'''
YAML = """\
# A ring that fails as it is told to.
_target_: planted.Planted
modes: 8
radius: 2.0
std: 0.02
default_steps: 5000
number: 0
slow: false
raising: []
killed: []
"""
QUICK = [
    *("data=planted", "model=mlp", "model.width=4", "batch_size=4", "device=cpu"),
    *("log_every=4", "sample_every=0", "evaluate_every=0", "checkpoint_every=4"),
]
ROOT = Path(__file__).parents[2]


def plant(folder: Path) -> list[str]:
    """Write the data set to the folder; the words of a pool's command line that can use it."""
    place = folder / "mine/configs/data"
    place.mkdir(parents=True)
    (folder / "mine/planted.py").write_text(PLANTED)
    (place / "planted.yaml").write_text(YAML)
    return ["--config-dir", "mine/configs", "-m", "hydra/launcher=pool", "hydra.launcher.workers=2", *QUICK]


def environment() -> dict[str, str]:
    """That of a command which can import the tree."""
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def run(folder: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    """A whole command, in the folder."""
    command = [sys.executable, "-m", "gan_cli", *words]
    return subprocess.run(
        command, cwd=folder, env=environment(), check=False, capture_output=True, text=True, timeout=580
    )


@contextmanager
def started(folder: Path, words: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A command at work, which does not outlive the block."""
    command = [sys.executable, "-m", "gan_cli", *words]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(true: Callable[[], Any], sweep: subprocess.Popen[str] | None = None, seconds: float = 240) -> None:
    """Wait until something is so, for as long as the sweep goes on."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        assert sweep is None or sweep.poll() is None, sweep.communicate()
        time.sleep(0.05)


def processes(folder: Path) -> dict[int, str]:
    """The living processes whose current folder is this one, but for our own: what they run, by number."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if (place / "cwd").readlink() == folder and "State:\tZ" not in (place / "status").read_text():
                found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    found.pop(os.getpid(), None)
    return found


def worker_of(process: int) -> int:
    """The parent of a process."""
    return int((Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[1])


def holder(job: Path) -> int | None:
    """The process that trains in a job's folder."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if any(link.readlink() == job / "console.log" for link in (place / "fd").iterdir()):
                return int(place.name)
        except OSError:
            continue
    return None


def kill(process: int | None) -> None:
    """End it at once."""
    assert process is not None
    os.kill(process, signal.SIGKILL)


def summary(job: Path) -> dict[str, Any]:
    """What the job's summary.json says."""
    found: dict[str, Any] = json.loads((job / "summary.json").read_text())
    return found


def steps(job: Path) -> list[int]:
    """The logged ones."""
    lines = (job / "metrics.jsonl").read_text().splitlines() if (job / "metrics.jsonl").exists() else []
    return [json.loads(line)["step"] for line in lines]


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file's time of change and bytes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def printed(job: Path) -> str:
    """What the job has printed so far."""
    return (job / "console.log").read_text() if (job / "console.log").exists() else ""
