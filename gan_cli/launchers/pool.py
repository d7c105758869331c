"""`hydra/launcher=pool`: a sweep's jobs in worker processes, one a GPU or a core.

A job that fails or is killed is told at once, tried again, and stops no other. Started again in its own
folder, a sweep leaves its finished jobs alone and goes on with the others.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from hydra.core.utils import JobReturn, setup_globals

from gan_cli.cli.job import locked
from gan_cli.cli.output import program, shown
from gan_cli.cli.standing import refuse_shared
from gan_cli.cli.stopping import Stop
from gan_cli.errors import InputError
from gan_cli.launchers import pool_ranking
from gan_cli.launchers.pool_crew import Crew, Worker, described, last_line
from gan_cli.launchers.pool_jobs import Job, Sweep, compose, tail
from gan_cli.launchers.pool_news import News
from gan_cli.launchers.pool_slots import cores, slots, visible_gpus
from gan_cli.launchers.pool_worker import Begun, Ended

__all__ = ["Sweep", "launch"]
_WAIT_SECONDS, _LAST_SECONDS = 0.2, 5.0


def launch(
    sweep: Sweep, overrides: Sequence[Sequence[str]], first: int, workers: int | None, retries: int
) -> list[JobReturn]:
    """Run the jobs, of which `first` is the number of the first, and tell what came out.

    Raises InputError where a folder holds another job or another process works in it, RunError where no
    worker can start, and SystemExit after a signal.
    """
    setup_globals()
    sweep.folder.mkdir(parents=True, exist_ok=True)
    with locked(sweep.folder, "hydra.sweep.dir", "sweep"):
        jobs = [compose(sweep, lines, number) for number, lines in enumerate(overrides, first)]
        refuse_shared(job.folder for job in jobs)
        stop = StopAll()
        with stop.installed(), News(sweep.command, jobs) as news:
            Pool(sweep, jobs, retries, news, stop).run(workers)
        return _conclude(sweep, jobs, stop)


class StopAll(Stop):
    """Asks all jobs to end after their current step; a second signal, each of them at once."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def again(self) -> None:
        self.count += 1


@dataclass
class Pool:
    """The jobs at work."""

    sweep: Sweep
    jobs: Sequence[Job]
    retries: int
    news: News
    stop: StopAll
    queue: deque[Job] = field(default_factory=deque)
    sent: int = 0
    deadline: float | None = None

    def run(self, workers: int | None) -> None:
        """Until all jobs have ended, or those at work have after a signal. Raises RunError."""
        self.queue.extend(job for job in self.jobs if job.outcome == "waiting")
        if before := len(self.jobs) - len(self.queue):
            self.news.say(f"{before} of {len(self.jobs)} jobs were finished before")
        if not self.queue:
            return
        gpus = visible_gpus(os.environ) if self._wants_gpus() else []
        with Crew(slots(workers, gpus, cores(), os.environ)) as crew:
            while crew.busy or (self.queue and not self.stop()):
                self._pass_on(crew)
                if not self.stop():
                    crew.grow(len(self.queue) + len(crew.busy))
                    for worker in crew.idle[: len(self.queue)]:
                        self._begin(crew, worker, self.queue.popleft())
                for worker, order, message in crew.events(_WAIT_SECONDS):
                    job = self.jobs[order.number - self.jobs[0].number]
                    self._heard(worker, job, message)
                self.news.show()

    def _wants_gpus(self) -> bool:
        return any(job.config.get("device") != "cpu" for job in self.queue)

    def _begin(self, crew: Crew, worker: Worker, job: Job) -> None:
        try:
            order = job.order(self.sweep)
        except InputError as error:
            job.outcome, job.line = "failed", str(error)
            self.news.failed(job, "")
            return
        job.tries += 1
        job.outcome = "running"
        crew.give(worker, order)

    def _heard(self, worker: Worker, job: Job, message: Begun | Ended) -> None:
        if isinstance(message, Begun):
            self.news.begun(job, worker.slot.name)
            for _ in range(self.sent):  # it was not there yet when the others got theirs
                with suppress(ProcessLookupError):
                    os.kill(message.pid, self.stop.signal or 0)
        elif message.code == 0 and job.whole:
            job.ended(message.value)
            self.news.done(job)
        elif self.stop() and not 0 < message.code < 128:
            job.outcome, job.line = "stopped", described(message.code)
        else:
            self._failed(job, message)

    def _failed(self, job: Job, ended: Ended) -> None:
        job.line = ended.line or described(ended.code)
        if ended.line is None and (last := last_line(tail(job.console))):
            job.line += f" after '{last}'"
        refused = ended.code == InputError.exit_code
        if job.tries <= self.retries and not refused and not self.stop():
            job.outcome = "waiting"
            self.queue.append(job)
            self.news.failed(job, f"; it is tried again ({job.tries} of {self.retries})")
        else:
            job.outcome = "failed"
            self.news.failed(job, "")

    def _pass_on(self, crew: Crew) -> None:
        """Hand on the signals that came, and end what has not ended for some seconds after the second."""
        if self.stop.signal is None:
            return
        arrived = 1 + self.stop.count
        while self.sent < arrived:
            crew.signal(self.stop.signal)
            self.sent += 1
        if self.stop.count and self.deadline is None:
            self.deadline = time.monotonic() + _LAST_SECONDS
        if self.deadline is not None and time.monotonic() > self.deadline:
            crew.kill()


def _conclude(sweep: Sweep, jobs: Sequence[Job], stop: StopAll) -> list[JobReturn]:
    """Show the table and what can be done next; what the sweeper gets. Raises SystemExit after a signal."""
    pool_ranking.show(jobs)
    place = shown(sweep.folder)
    print(f"look at them with: {_command('tensorboard', '--logdir', place)}")
    print(f"compare them with: {_command('gan-compare', place)}", flush=True)
    left = [job for job in jobs if job.left]
    if left and left[0].trains:
        print(f"go on with: {_command(sweep.command, *_again(sweep))}", flush=True)
    if stop.signal is not None:
        sys.exit(128 + stop.signal)
    numbers = ", ".join(str(job.number) for job in left)
    told = f"{len(left)} of {len(jobs)} jobs failed: {numbers}; see above"
    return [job.returned(told) for job in jobs]


def _again(sweep: Sweep) -> list[str]:
    """The words of the command that goes on with this sweep."""
    hydra = sweep.config.hydra
    places = [s.path for s in hydra.runtime.config_sources if s.provider == "command-line"]
    lines = [str(line) for line in hydra.overrides.hydra]
    lines = [line for line in lines if not line.startswith(("hydra.sweep.dir=", "hydra.mode="))]
    own = [f"hydra.sweep.dir={shown(sweep.folder)}", *map(str, hydra.overrides.task)]
    return ["--multirun", *(f"--config-dir={place}" for place in places), *lines, *own]


def _command(name: str, *words: str) -> str:
    return shlex.join([program(name), *words])
