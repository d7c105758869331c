"""summary.json: what the run was and how it ended; and the end of everything that was open."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from typing import Any

import torch

import gan_cli
from gan_cli.errors import RunError
from gan_cli.files import write_atomic
from gan_cli.observers.base import Observer, Outcome, Run
from gan_cli.observers.logfile import LOGGER, LogFile
from gan_cli.observers.metrics_log import plain
from gan_cli.observers.recorder import RATES, Recorder
from gan_cli.observers.watchdog import Watchdog
from gan_cli.types import State

NAME = "summary.json"


class Summary(Observer):
    """Writes summary.json at the start (outcome "running") and at the end, then closes recorder and log.

    It comes last among the observers, so that the others can still record in their `finish`.
    """

    def __init__(self, recorder: Recorder, watchdog: Watchdog, log: LogFile) -> None:
        self._recorder = recorder
        self._watchdog = watchdog
        self._log = log
        self._run: Run | None = None

    def start(self, run: Run, state: State) -> None:
        self._began = time.monotonic()
        self._write(run, run.start_step, "running")
        self._run = run  # from here on there is something to close

    def finish(self, step: int, state: State, outcome: Outcome) -> None:
        try:
            if self._run is not None:
                self._write(self._run, step, outcome)
                self._recorder.close(outcome)
            LOGGER.info("%s after step %d", outcome, step)
        except RunError:
            if outcome != "failed":  # else the run's own failure is the one to report
                raise
        finally:
            self._log.close()

    def _write(self, run: Run, step: int, outcome: str) -> None:
        seconds = time.monotonic() - self._began
        rate = (step - run.start_step) / seconds if step > run.start_step else 0.0
        batch_size = int(run.config.get("batch_size", 0))
        content: dict[str, Any] = {
            "outcome": outcome,
            "failure": self._watchdog.cause,
            "step": step,
            "steps": run.steps,
            "start_step": run.start_step,
            "seed": run.seed,
            "seconds": round(seconds, 3),
            **dict(zip(RATES, (round(rate, 3), round(rate * batch_size, 3)), strict=True)),
            "device": device_name(run.device),
            "versions": versions(),
            "config_sha256": hashlib.sha256(run.config_yaml.encode()).hexdigest(),
            "metrics": {
                name: plain(value) for name, value in self._recorder.latest.items() if name not in RATES
            },
        }
        write_atomic(run.folder / NAME, json.dumps(content, indent=2, allow_nan=False) + "\n")


def versions() -> dict[str, str]:
    """The versions that a number depends on."""
    return {"gan_cli": gan_cli.__version__, "torch": torch.__version__, "python": platform.python_version()}


def device_name(device: torch.device) -> str:
    """The device, and for a GPU its model.

    >>> device_name(torch.device("cpu"))
    'cpu'
    """
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
