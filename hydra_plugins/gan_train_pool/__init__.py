"""`hydra/launcher=pool`, where Hydra looks for launchers; what it does stands in `gan_cli.launchers.pool`."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from gan_cli.values import show


class PoolLauncher(Launcher):
    """A sweep's jobs in worker processes.

    workers: how many, None for one a GPU or a core; retries: how often a failed job is tried again.
    """

    def __init__(self, workers: int | None = None, retries: int = 1) -> None:
        for name, value, least in (("workers", workers, 1), ("retries", retries, 0)):
            whole = isinstance(value, int) and not isinstance(value, bool) and value >= least
            if not (whole or (value is None and name == "workers")):
                none = " or null" if name == "workers" else ""
                raise ValueError(
                    f"{name} must be a whole number ≥ {least}{none}, got {show(value)}; use {least}"
                )
        self.workers, self.retries = workers, retries

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context, self.task, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from gan_cli.launchers import pool  # only here: Hydra imports all plugins before every command

        sweep = pool.Sweep(self.context, self.task, self.config)
        return pool.launch(sweep, job_overrides, initial_job_idx, self.workers, self.retries)
