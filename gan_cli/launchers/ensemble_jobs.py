"""The jobs of a sweep as the ensemble launcher knows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from gan_cli.cli import search
from gan_cli.cli.compose import plain
from gan_cli.cli.standing import standing
from gan_cli.launchers import jobs
from gan_cli.schema import check

_COMPILED_FROM = 2000
"""Steps of a run from which compiling a chunk's round pays: by the run alone, as its numbers depend on it."""


@dataclass(frozen=True)
class Sweep:
    """What Hydra gives a launcher, and the launcher's own settings."""

    context: HydraContext
    task: TaskFunction
    config: DictConfig
    width: int
    compile: Literal["auto", "on", "off"]

    def compiled(self, config: dict[str, Any]) -> bool:
        """Whether the round of a job with that config is compiled."""
        return self.compile == "on" or (self.compile == "auto" and config["steps"] >= _COMPILED_FROM)


@dataclass
class Job:
    """One job: its config as Hydra has it and as it was checked, its folder, and whether a run is there."""

    number: int
    config: DictConfig
    checked: dict[str, Any]
    folder: Path
    goes_on: bool
    result: JobReturn | None = None


def composed(sweep: Sweep, lines: Sequence[str], number: int) -> Job:
    """One job of a sweep, as Hydra's basic launcher composes it; with its result if it was finished before.

    Raises InputError where its folder holds another run.
    """
    config, folder = jobs.composed(sweep.context, sweep.config, lines, number)
    if "resume" not in config:  # another command's
        return Job(number, config, {}, folder.absolute(), goes_on=False)
    checked = check(plain(config))
    how = standing(folder, checked, number)
    job = Job(number, config, checked, folder.absolute(), goes_on=how == "partial")
    if how == "finished":
        value = search.reached(folder, checked)
        job.result = JobReturn(overrides=list(lines), status=JobStatus.COMPLETED, _return_value=value)
    elif job.goes_on:
        jobs.go_on(config, job.folder)
    return job
