"""A worker of `hydra/launcher=pool`: imports torch once, and forks a fresh copy of itself for each job.

A job's process starts as one in which everything is imported and nothing was computed: no CUDA context, no
thread, no cached tensor, no seed of the job before it. So nothing has to be cleaned between jobs.

Nobody outlives whom it works for. The worker sees the end of its connection when the sweep dies, and kills
the job; the job sees the end of a pipe when the worker dies, and kills itself and what it started.
"""

from __future__ import annotations

import importlib
import inspect
import io
import os
import pickle
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from gan_cli.errors import InputError

CONSOLE = "console.log"
"""What a job prints, in its folder."""

_PRELOADED = (
    "gan_cli.cli.job",
    "gan_cli.cli.series",
    "gan_cli.run",
    "gan_cli.observers.tensorboard",
    "gan_cli.observers.point_pictures",
)
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Order:
    """A job to do.

    number: its own in the sweep; task: module and name of Hydra's task function; pickled: the job's config,
    with Hydra's node, and Hydra's context; folder: the job's own.
    """

    number: int
    task: tuple[str, str]
    pickled: bytes
    folder: Path


@dataclass(frozen=True)
class Begun:
    """The job's process is there."""

    pid: int


@dataclass(frozen=True)
class Ended:
    """How a job ended: its exit code as Popen.returncode has it, its error in a line, what it returned."""

    code: int
    line: str | None = None
    value: Any = None


class Ready:
    """The worker has imported what jobs need."""


def main(handle: int) -> None:
    """Serve the connection with that file handle until its other end closes."""
    sweep: Connection[Any, Any] = Connection(handle)
    for module in _PRELOADED:
        importlib.import_module(module)
    with suppress(EOFError, OSError):  # the sweep is gone
        sweep.send(Ready())
        while True:
            _serve(sweep, sweep.recv())


def _serve(sweep: Connection[Any, Any], order: Order) -> None:
    """Do one job in a process of its own. Raises EOFError, after killing it, when the sweep dies."""
    alive, held = os.pipe()
    answers, answer = Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        os.close(held)
        sweep.close()
        answers.close()
        _job(order, alive, answer)
    os.close(alive)
    answer.close()
    found: Ended | None = None
    try:
        sweep.send(Begun(pid))
        while True:
            if found is None and answers.poll():
                found = _received(answers)
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                break
            if sweep.poll(_POLL_SECONDS):  # nothing is sent to a busy worker: the other end has closed
                raise EOFError
    finally:
        with suppress(ProcessLookupError):  # the job, or what it left behind
            os.killpg(pid, signal.SIGKILL)
        os.close(held)
    found = found or (_received(answers) if answers.poll() else None)
    code = os.waitstatus_to_exitcode(status)
    sweep.send(Ended(code, found.line if found else None, found.value if found else None))
    answers.close()


def _received(answers: Connection[Any, Any]) -> Ended | None:
    try:
        ended: Ended = answers.recv()
    except (EOFError, OSError, pickle.UnpicklingError):  # killed while it wrote
        return None
    return ended


def _job(order: Order, alive: int, answer: Connection[Any, Any]) -> None:
    """The forked process: run the job, answer, and end without what the worker would do at its end."""
    ended = Ended(1)
    try:
        os.setpgrp()
        threading.Thread(target=_end_with_worker, args=(alive,), daemon=True).start()
        _redirect(order.folder)
        _wait_until_free(order.folder)
        ended = _run(order)
        answer.send(ended)
    except BaseException as error:  # noqa: BLE001 - nobody is above: it is told
        ended = _failure(error)
        with suppress(OSError):
            answer.send(ended)
    finally:
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(ended.code)


def _end_with_worker(alive: int) -> None:
    with suppress(OSError):
        os.read(alive, 1)
    os.killpg(0, signal.SIGKILL)


def _redirect(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    log = os.open(folder / CONSOLE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for place, number in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(place, number)
    for stream in (sys.stdout, sys.stderr):  # every line is there when the process is killed
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="replace")


def _wait_until_free(folder: Path) -> None:
    """Give a process that was killed at this job the time to vanish. Raises InputError where it goes on."""
    from gan_cli.cli.job import locked

    if not (folder / ".lock").exists():
        return
    for wait in (0.1, 0.4, 1.5, 3.0, 5.0, None):
        try:
            with locked(folder):
                return
        except InputError:
            if wait is None:
                raise
            time.sleep(wait)


def _run(order: Order) -> Ended:
    """The job as Hydra's basic launcher runs it, in a process that knows nothing of Hydra yet."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.core.utils import JobRuntime, JobStatus, run_job, setup_globals

    from gan_cli.cli.compose import register_resolvers
    from gan_cli.cli.job import LOG

    setup_globals()
    register_resolvers()
    config, context = pickle.loads(order.pickled)
    HydraConfig.instance().set_config(config)
    JobRuntime.instance().set("name", config.hydra.job.name)
    module, name = order.task
    found = run_job(
        hydra_context=context,
        task_function=inspect.unwrap(getattr(importlib.import_module(module), name)),
        config=config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
    if found.status != JobStatus.COMPLETED:
        return _failure(found._return_value, order.folder / LOG)
    return Ended(0, None, found.return_value)


def _failure(error: BaseException, log: Path | None = None) -> Ended:
    """The error as an ending: a task that a signal stopped exits with its code."""
    from gan_cli.cli import report

    if isinstance(error, SystemExit):
        return Ended(error.code if isinstance(error.code, int) else 1)
    line, code = report.described(error, log)
    return Ended(code, " ".join(line.split()))
