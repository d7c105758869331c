"""Jobs of a sweep that end elsewhere: what one that fails leaves for the process that started them."""

from __future__ import annotations

import os
import sys
from collections.abc import Container, Sequence
from contextlib import suppress
from pathlib import Path

from gan_cli.errors import RunError
from gan_cli.schema import TRAIN

_MARK = ".failed"
_ENGINES = ("ray", "submitit")


class Unanswered(RunError):
    """A launcher's engine says that a job gave no answer."""


def note(folder: Path, job: int | str, line: str) -> None:
    """Leave in the job's folder that it failed, and why."""
    with suppress(OSError):
        (folder / _MARK).write_text(f"{job}\n{' '.join(line.split())}\n", encoding="utf-8")


def forget(folder: Path) -> None:
    """The job in that folder is started again."""
    (folder / _MARK).unlink(missing_ok=True)


def requeued() -> bool:
    """Whether Slurm has started this process's job before, and cut it short: it goes on where it was."""
    return int(os.environ.get("SLURM_RESTART_COUNT") or 0) > 0


def elsewhere(sweep: Path, known: Container[str], silent: bool = False) -> list[str]:
    """The numbers of the sweep's failed jobs that are not among `known`; unless silent, each is told."""
    found: dict[str, str] = {}
    for mark in sweep.rglob(_MARK):
        with suppress(OSError):
            job, _, line = mark.read_text(encoding="utf-8").partition("\n")
            found[job] = line.strip()
    missed = [job for job in sorted(found, key=lambda job: (len(job), job)) if job not in known]
    for job in [] if silent else missed:
        print(f"{TRAIN.command}: job {job}: {found[job]}", file=sys.stderr)
    return missed


def of_engine(error: Exception, sweep: Path | None) -> Exception:
    """What a launcher's engine says of a job that gave no answer, in one line; any other error as it is."""
    engine = type(error).__module__.partition(".")[0]
    if engine not in _ENGINES:
        return error
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = " ".join(lines[:2]) or type(error).__name__
    logs = f"; its logs are in {sweep / '.submitit'}" if engine == "submitit" and sweep is not None else ""
    return Unanswered(f"{engine}: {said}{logs}")


def of_sweep(jobs: Sequence[str], cause: Exception | None) -> RunError:
    """That these jobs of a sweep, each of them told before, have failed; with what was not told yet."""
    lost = f"; {cause}" if isinstance(cause, Unanswered) else ""
    return RunError(f"failed in the sweep: job {', '.join(jobs)}; see above{lost}")
