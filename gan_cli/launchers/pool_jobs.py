"""The jobs of a sweep as a pool knows them: what each is to do, how far it is, and what became of it."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from gan_cli.cli import search, standing
from gan_cli.cli.compose import plain
from gan_cli.errors import RunError
from gan_cli.launchers import jobs
from gan_cli.launchers.pool_worker import CONSOLE, Order
from gan_cli.schema import check

Outcome = Literal["waiting", "running", "done", "pruned", "failed", "stopped"]
_TAIL = 8192


@dataclass(frozen=True)
class Sweep:
    """What Hydra gives a launcher: its context, the task function, and the config of the whole sweep."""

    context: HydraContext
    task: TaskFunction
    config: DictConfig

    @property
    def command(self) -> str:
        """The console command whose sweep it is."""
        return str(self.config.hydra.job.name)

    @property
    def folder(self) -> Path:
        """Where the jobs' folders are."""
        return Path(str(self.config.hydra.sweep.dir))


@dataclass
class Job:
    """One job.

    tries: how often it was begun by this sweep; resumed: whether the last time by going on; line: why it did
    not end well; value: what it returned.
    """

    number: int
    overrides: list[str]
    folder: Path
    config: DictConfig
    outcome: Outcome = "waiting"
    tries: int = 0
    resumed: bool = False
    line: str = ""
    value: Any = None

    @property
    def console(self) -> Path:
        """What it prints."""
        return self.folder / CONSOLE

    @property
    def trains(self) -> bool:
        """Whether it is one of gan-train, which can go on from a checkpoint."""
        return "resume" in self.config

    @property
    def steps(self) -> int:
        """How many it is to take."""
        return int(self.config.get("steps") or 0)

    def step(self) -> int:
        """The last one that it logged."""
        lines = tail(self.folder / "metrics.jsonl").splitlines()
        for line in reversed(lines):
            try:
                return int(json.loads(line)["step"])
            except (ValueError, KeyError, TypeError):
                continue
        return 0

    def standing(self) -> standing.Standing:
        """How far it is. Raises InputError where its folder holds something else."""
        if not self.trains:
            return "new"
        return standing.standing(self.folder, check(plain(self.config)), self.number)

    def order(self, sweep: Sweep) -> Order:
        """What a worker is to do for it now: the job, or the rest of it."""
        config, self.resumed = self.config.copy(), self.standing() == "partial"
        if self.resumed:
            jobs.go_on(config, self.folder)
        task = (sweep.task.__module__, sweep.task.__qualname__)
        return Order(self.number, task, pickle.dumps((config, sweep.context)), self.folder)

    @property
    def whole(self) -> bool:
        """Whether its folder holds all that it was to do: a process may end without an error before that."""
        return not self.trains or self.standing() == "finished"

    def ended(self, value: Any) -> None:
        """It needs nothing more."""
        self.outcome, self.value = "pruned" if standing.pruned(self.folder) else "done", value

    @property
    def left(self) -> bool:
        """Whether there is something left to do for it."""
        return self.outcome not in ("done", "pruned")

    def returned(self, sweep: str) -> JobReturn:
        """What Hydra's sweepers get; one that asks for the value of a failed job gets a RunError."""
        status = JobStatus.FAILED if self.left else JobStatus.COMPLETED
        value = RunError(sweep) if self.left else self.value
        return jobs.Told(overrides=self.overrides, status=status, _return_value=value)


def compose(sweep: Sweep, overrides: Sequence[str], number: int) -> Job:
    """One job of a sweep, as Hydra's basic launcher composes it. Raises InputError."""
    config, folder = jobs.composed(sweep.context, sweep.config, overrides, number)
    job = Job(number, list(overrides), folder, config)
    if job.standing() == "finished":
        job.ended(search.reached(folder, check(plain(config))))
    return job


def tail(file: Path) -> bytes:
    """The end of a file; nothing where there is none."""
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, os.fstat(opened.fileno()).st_size - _TAIL))
            return opened.read()
    except OSError:
        return b""
