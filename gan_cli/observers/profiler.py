"""A trace of some steps: what ran when, on the host and on the GPU."""

from __future__ import annotations

from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from gan_cli.observers.base import Observer, Outcome, Run
from gan_cli.observers.logfile import LOGGER
from gan_cli.types import State, Trace

WARM_UP = 20
"""Steps before the traced ones: kernels are chosen, rounds compiled or captured by then."""
FILE = "profile.json.gz"


def too_short(count: int, steps: int, start: int = 0) -> str | None:
    """Why a run that ends at `steps`, from `start` on, has no trace of `count` of them; None where it has.

    >>> too_short(5, 24)
    'runtime.profile=5 traces steps 21 to 25, and the run ends at 24; use steps=25 or more'
    """
    first = start + WARM_UP + 1
    last = start + WARM_UP + count
    if not count or steps >= last:
        return None
    traced = f"traces steps {first} to {last}"
    return f"runtime.profile={count} {traced}, and the run ends at {steps}; use steps={last} or more"


class Profiler(Observer):
    """Traces `runtime.profile` steps into profile.json.gz, in Chrome's trace format.

    The steps WARM_UP + 1 … WARM_UP + n after the run's start, observers included. Perfetto, chrome://tracing
    and TensorBoard's profiler plugin open the file; train.log says which operations took most of the time.
    """

    def __init__(self) -> None:
        self._trace: Any = None

    def start(self, run: Run, state: State) -> None:
        self._run = run
        self._count = int(run.config.get("runtime", {}).get("profile", 0))

    def after(self, step: int, state: State, traces: dict[str, Trace]) -> None:
        done = step - self._run.start_step
        if done == 1 and (reason := too_short(self._count, self._run.steps, self._run.start_step)):
            LOGGER.warning("%s", reason)  # of a run that goes on: only now the log is open
        if self._count and done == WARM_UP:
            cuda = self._run.device.type == "cuda"
            activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if cuda else [])
            self._trace = profile(activities=activities, acc_events=True)
            self._trace.start()
        elif self._trace is not None and done == WARM_UP + self._count:
            self._write()

    def finish(self, step: int, state: State, outcome: Outcome) -> None:
        if self._trace is not None:
            self._write()

    def _write(self) -> None:
        if self._run.device.type == "cuda":
            torch.cuda.synchronize(self._run.device)
        trace, self._trace = self._trace, None
        trace.stop()
        trace.export_chrome_trace(str(self._run.folder / FILE))
        by = f"self_{self._run.device.type}_time_total".replace("cuda", "device")
        table = trace.key_averages().table(sort_by=by, row_limit=12, max_name_column_width=48)
        lines = "\n".join(line.rstrip() for line in table.splitlines())
        LOGGER.info("profile of %d steps in %s\n%s", self._count, FILE, lines)
