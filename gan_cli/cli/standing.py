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
    known = [(number, job.folder, job.config) for number, job in enumerate(jobs) if job.folder is not None]
    refuse_shared(folder for _, folder, _ in known)
    for number, folder, config in known:
        standing(folder, config, number)


def refuse_shared(folders: Iterable[Path]) -> None:
    """Raise InputError where two jobs of a sweep would write to one folder."""
    for folder, count in Counter(folders).items():
        if count > 1:
            raise InputError(
                f"{count} jobs of the sweep would share the folder {shown(folder)}: let hydra.sweep.subdir "
                "tell them apart"
            )
