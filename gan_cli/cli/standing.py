"""A sweep that is started again in its own folder: which of its jobs are new, which go on, which are done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gan_cli.cli import resume
from gan_cli.cli.output import has_checkpoints, shown
from gan_cli.comparison.runs import PRUNED
from gan_cli.errors import InputError

if TYPE_CHECKING:
    from gan_cli.cli.compose import Job

DONE = ".done"
"""Left in the folder of a finished study: nothing else in there tells that it is whole."""

Standing = Literal["new", "partial", "finished"]


def standing(folder: Path, config: Mapping[str, Any], job: int | None = None) -> Standing:
    """How far the job with that checked config is in its folder.

    Raises InputError, which names the job, where the folder's run computes something else.
    """
    settings = folder / resume.SETTINGS
    if not (resume.complete(settings) or has_checkpoints(folder)):
        return "new"  # a kill while Hydra wrote its settings leaves no run
    called = f"{shown(folder)}" if job is None else f"job {job}, {shown(folder)}"
    earlier = resume.find(str(folder))
    earlier.refuse_changes(config, called)
    if config.get("study"):
        return "finished" if (folder / DONE).is_file() else "partial"
    early = bool(config["prune"]) and pruned(folder)
    return "finished" if earlier.finished(config["steps"], early) else "partial"


def pruned(folder: Path) -> bool:
    """Whether the run in that folder was ended early, and has not gone on since."""
    return (folder / PRUNED).is_file()


def begin(folder: Path) -> None:
    """The job in that folder is started, or goes on: how it ended before is past."""
    for mark in (DONE, PRUNED):
        (folder / mark).unlink(missing_ok=True)


def refuse_changed(jobs: Iterable[Job]) -> None:
    """Raise InputError for the first job whose folder holds a run of something else, or another job's."""
    known = [(number, job) for number, job in enumerate(jobs) if job.folder is not None]
    count = Counter(job.folder for _, job in known)
    for number, job in known:
        assert job.folder is not None  # for the type checker
        if count[job.folder] > 1:
            raise InputError(
                f"{count[job.folder]} jobs of the sweep would share the folder {shown(job.folder)}: let "
                "hydra.sweep.subdir tell them apart"
            )
        standing(job.folder, job.config, number)
