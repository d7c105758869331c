"""The workers of a pool as the sweep sees them: started, given jobs, signalled, replaced where they died."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import IO, Any

from gan_cli.errors import RunError
from gan_cli.launchers.pool_slots import Slot
from gan_cli.launchers.pool_worker import Begun, Ended, Order, Ready

_START = "from gan_cli.launchers.pool_worker import main; main({})"
_FAILED_STARTS = 3
_LAST_SECONDS = 1.0


@dataclass
class Worker:
    """One worker's process. order: the job that it was given; pid: that job's process, once it is there."""

    slot: Slot
    process: subprocess.Popen[bytes]
    connection: Connection[Any, Any]
    said: IO[bytes]
    ready: bool = False
    order: Order | None = None
    pid: int | None = None


@dataclass
class Crew:
    """At most one worker a slot; none before it is asked for. Close it: no worker outlives the block."""

    slots: Sequence[Slot]
    _workers: list[Worker] = field(default_factory=list)
    _unready: int = 0

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()
        for worker in self._workers:
            self._end(worker)
        self._workers.clear()

    @property
    def busy(self) -> list[Worker]:
        """The workers with a job."""
        return [worker for worker in self._workers if worker.order is not None]

    @property
    def idle(self) -> list[Worker]:
        """The workers that wait for a job."""
        return [worker for worker in self._workers if worker.ready and worker.order is None]

    def grow(self, count: int) -> None:
        """Have so many workers, as far as there are slots."""
        taken = [id(worker.slot) for worker in self._workers]
        free = [slot for slot in self.slots if id(slot) not in taken]
        for slot in free[: max(0, count - len(taken))]:
            self._workers.append(_started(slot))

    def give(self, worker: Worker, order: Order) -> None:
        """Have an idle worker do a job."""
        worker.order = order
        with suppress(OSError):  # it has just died, which `events` will tell
            worker.connection.send(order)

    def signal(self, number: int) -> None:
        """Send a signal to every job, as a terminal does."""
        for worker in self.busy:
            if worker.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, number)

    def kill(self) -> None:
        """End every job at once."""
        for worker in self.busy:
            _kill_job(worker)

    def events(self, seconds: float) -> Iterator[tuple[Worker, Order, Begun | Ended]]:
        """What happened within so many seconds, with the job that it happened to.

        A worker that died is gone from the crew, and so is its job. Raises RunError where workers die
        before they can do anything.
        """
        by_connection = {worker.connection: worker for worker in self._workers}
        for connection in wait(list(by_connection), seconds):
            worker = by_connection[connection]  # type: ignore[index]
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                message = self._lost(worker)
            order = worker.order
            if isinstance(message, Ready):
                worker.ready, self._unready = True, 0
            elif isinstance(message, Begun):
                worker.pid = message.pid
            elif isinstance(message, Ended):
                worker.order = worker.pid = None
            if isinstance(message, Begun | Ended) and order is not None:
                yield worker, order, message

    def _lost(self, worker: Worker) -> Ended:
        """Take a dead worker out of the crew."""
        _kill_job(worker)
        self._workers.remove(worker)
        with suppress(subprocess.TimeoutExpired):  # its connection closes before it has ended
            worker.process.wait(_LAST_SECONDS)
        worker.said.seek(0)
        said = last_line(worker.said.read())
        code = self._end(worker)
        if not worker.ready:
            self._unready += 1
            if self._unready >= _FAILED_STARTS:
                raise RunError(f"no worker of the pool can start: {said or described(code)}")
        how = described(code)
        was = "" if how.startswith("ended") else "was "
        return Ended(code if code < 0 else 1, f"its worker {was}{how}" + (f" after '{said}'" if said else ""))

    def _end(self, worker: Worker) -> int:
        """Kill a worker that is not dead yet, and leave nothing of it; its exit code."""
        worker.process.kill()
        worker.connection.close()
        worker.said.close()
        return worker.process.wait()


def described(code: int) -> str:
    """An exit code in words.

    >>> described(-9), described(143), described(3)
    ('killed by SIGKILL', 'stopped by SIGTERM', 'ended with exit code 3')
    """
    for number, word in ((-code, "killed"), (code - 128, "stopped")):
        if number in list(signal.Signals):
            return f"{word} by {signal.Signals(number).name}"
    return f"ended with exit code {code}"


def last_line(text: bytes) -> str:
    r"""The last line that says something, of what was drawn over itself only what stood there at the end.

    >>> last_line(b"step 1\rstep 2\n\n")
    'step 2'
    """
    lines = [line.strip() for line in text.decode(errors="replace").replace("\r", "\n").split("\n")]
    return next((line for line in reversed(lines) if line), "")


def _started(slot: Slot) -> Worker:
    """A new worker, in a session of its own: a terminal's signals reach the sweep alone."""
    ours, theirs = Pipe()
    said = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the worker
    path = os.pathsep.join(str(Path(place).absolute()) for place in sys.path)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START.format(theirs.fileno())],
            env={**os.environ, "PYTHONPATH": path, **slot.environment},
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    return Worker(slot, process, ours, said)


def _kill_job(worker: Worker) -> None:
    if worker.pid is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(worker.pid, signal.SIGKILL)
