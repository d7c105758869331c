"""`hydra/launcher=ensemble`: a sweep's jobs side by side in one process, as stacked tensors.

Jobs whose rounds are one function of their tensors and floats are trained together, a chunk of them at a
time; each has its own folder with all that it would hold alone. Any other is run by itself, and it is said
why. Started again in its own folder, a sweep leaves its finished jobs alone and goes on with the others.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, configure_log, filter_overrides, run_job, setup_globals
from hydra.types import TaskFunction
from omegaconf import DictConfig

from gan_cli.cli import failures, pruning, search, standing
from gan_cli.cli.job import LOG, conclude, experiment, locked, tell_failed, warnings_in
from gan_cli.cli.output import shown
from gan_cli.cli.stopping import Stop
from gan_cli.data.download import one_line
from gan_cli.ensemble import Graphs
from gan_cli.launchers import ensemble_groups
from gan_cli.launchers.ensemble_chunk import Chunk, Member
from gan_cli.launchers.ensemble_jobs import Job, Sweep, composed
from gan_cli.launchers.ensemble_training import Training
from gan_cli.launchers.ensemble_voices import listening
from gan_cli.launchers.jobs import Told

__all__ = ["Sweep", "launch"]
_SAYS = logging.getLogger("hydra_plugins.gan_train_ensemble")
_FRAMES = 12
"""Python's frames that one more open job takes, at most."""


def launch(sweep: Sweep, overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
    """Run the jobs, of which `first` is the number of the first.

    Raises InputError where a folder is another job's, too, or another process works in it, and SystemExit
    after a signal.
    """
    setup_globals()
    hydra = sweep.config.hydra
    configure_log(hydra.hydra_logging, hydra.verbose)
    folder = Path(str(hydra.sweep.dir))
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, "hydra.sweep.dir", "sweep"):
        jobs = [composed(sweep, lines, number) for number, lines in enumerate(overrides, first)]
        standing.refuse_shared(job.folder for job in jobs)
        if finished := sum(job.result is not None for job in jobs):
            _SAYS.info("%d of %d jobs were finished before", finished, len(jobs))
        for number, (group, compiled) in enumerate(groups := _groups(sweep, jobs), 1):
            graphs: Graphs | None = {} if compiled else None
            for start in range(0, len(group), sweep.width):
                some = group[start : start + sweep.width]
                _SAYS.info("%s of ensemble %d of %d: %s", _jobs(some), number, len(groups), _listed(some))
                _run_chunk(sweep, some, graphs)
        configure_log(hydra.hydra_logging, hydra.verbose)
    return [job.result for job in jobs if job.result is not None]


def _groups(sweep: Sweep, jobs: Sequence[Job]) -> list[tuple[list[Job], bool]]:
    """The jobs that can stand in one ensemble together; those that can stand in none are run."""
    left, keys = [], []
    for job in (job for job in jobs if job.result is None):
        reason, key = _stands(job)
        if reason is not None:
            _run_alone(sweep, job, reason)
        else:
            left.append(job)
            keys.append((key, sweep.compiled(job.checked)))
    return [([left[i] for i in group], keys[group[0]][1]) for group in ensemble_groups.grouped(keys)]


def _stands(job: Job) -> tuple[str | None, Any]:
    """Why the job can stand in no ensemble, or None; and what those have in common that it can stand in."""
    if not job.checked:
        return "runs of gan-train alone stand side by side", None
    try:
        built = experiment(job.checked)
        key = ensemble_groups.key(job.checked, built, job.folder if job.goes_on else None)
    except Exception as error:  # noqa: BLE001 - by itself it fails as it would without this launcher
        return one_line(error), None
    return ensemble_groups.alone(job.checked, built), key


def _run_alone(sweep: Sweep, job: Job, reason: str) -> None:
    _SAYS.info("job %d runs by itself: %s", job.number, reason)
    job.result = _run_job(sweep, job, sweep.task)


def _run_job(sweep: Sweep, job: Job, task: TaskFunction) -> JobReturn:
    """The job as Hydra runs it, with its folder, its settings in there, and its callbacks."""
    found = run_job(
        hydra_context=sweep.context,
        task_function=task,
        config=job.config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
    return Told(**vars(found))


def _run_chunk(sweep: Sweep, jobs: Sequence[Job], graphs: Graphs | None) -> None:
    """Train the jobs together or, where a rehearsal shows that this cannot be, each by itself."""
    members = [_member(job) for job in jobs]
    try:
        chunk = _rehearsed(members, sweep.width, graphs)
    except Exception as error:  # noqa: BLE001 - it is said, and each job fails by itself if it must
        for job in jobs:
            _run_alone(sweep, job, f"its round cannot be played side by side: {one_line(error)}")
        return
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + _FRAMES * len(jobs))
    try:
        _open(sweep, list(zip(jobs, members, strict=True)), lambda: _train(chunk))
    finally:
        sys.setrecursionlimit(limit)


def _member(job: Job) -> Member:
    built = experiment(job.checked)
    return Member(job.number, built, job.folder, job.goes_on, pruning.of(job.checked, built))


def _rehearsed(members: Sequence[Member], width: int, graphs: Graphs | None) -> Chunk:
    """The chunk, whose round has been played once; not compiled where that fails."""
    began, known = time.monotonic(), graphs is None or len(graphs) > 0
    chunk = Chunk(members, width, graphs)
    try:
        chunk.rehearse()
    except Exception as error:  # the compiler may fail in any way, and need not be there
        if graphs is None:
            raise
        _SAYS.warning("the round is not compiled: %s", one_line(error))
        return _rehearsed(members, width, None)
    if not known:
        _SAYS.info("compiled in %.0f s", time.monotonic() - began)
    return chunk


def _open(sweep: Sweep, jobs: Sequence[tuple[Job, Member]], work: Callable[[], None], first: int = 0) -> None:
    """Do the work while all jobs are under way as Hydra sees it: each is opened inside the one before.

    first: that of the jobs which is to be opened next.
    """
    if first == len(jobs):
        work()
        return
    job, member = jobs[first]

    def task(_: DictConfig) -> float | None:
        failures.forget(member.folder)
        with ExitStack() as held:
            try:
                with listening(member.job):
                    held.enter_context(locked(member.folder))
                    held.enter_context(warnings_in(member.folder / LOG))
                standing.begin(member.folder)
                with suppress(BrokenPipeError):
                    print(f"run: {shown(member.folder)}", flush=True)
            except Exception as error:  # noqa: BLE001 - it ends this job and no other
                _tell_failed(member, error)
            try:
                _open(sweep, jobs, work, first + 1)
            except Exception as error:  # noqa: BLE001 - Hydra would keep it from the jobs around this one
                for one in (one for _, one in jobs if one.outcome is None and one.failure is None):
                    _tell_failed(one, error)
        if member.failure is not None:
            raise member.failure
        return search.reached(member.folder, job.checked)

    job.result = _run_job(sweep, job, task)


def _train(chunk: Chunk) -> None:
    with Stop().installed() as stop:
        try:
            Training(chunk, _ended).run(stop)
        except KeyboardInterrupt:
            for member in chunk.members:
                if member.outcome is None:
                    _conclude(member, "")
    if stop.signal is not None:
        sys.exit(128 + stop.signal)  # no Exception, so that it ends the whole sweep


def _ended(member: Member) -> None:
    if member.failure is not None:
        _tell_failed(member, member.failure)
    else:
        _conclude(member, f"{member.experiment.steps} steps")


def _conclude(member: Member, what: str) -> None:
    with suppress(BrokenPipeError):  # the jobs go on where nobody reads it any more
        conclude(member.folder, what, done=member.outcome == "done")


def _tell_failed(member: Member, error: Exception) -> None:
    member.failure = error
    with suppress(BrokenPipeError):
        tell_failed(error, member.folder / LOG, member.job)


def _jobs(jobs: Sequence[Job]) -> str:
    return "1 job" if len(jobs) == 1 else f"{len(jobs)} jobs"


def _listed(jobs: Sequence[Job]) -> str:
    """What each is, in a line of its own as Hydra's basic launcher prints it."""
    lines = (" ".join(filter_overrides(job.config.hydra.overrides.task)) for job in jobs)
    return "".join(f"\n\t#{job.number} : {line}" for job, line in zip(jobs, lines, strict=True))
