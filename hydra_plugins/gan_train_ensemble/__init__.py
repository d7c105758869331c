"""`hydra/launcher=ensemble`, where Hydra looks for it; what it does is in `gan_cli.launchers.ensemble`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from gan_cli.errors import nearest


class EnsembleLauncher(Launcher):
    """A sweep's jobs side by side in one process, as stacked tensors.

    width: how many stand in an ensemble, a multiple of 32: stacked tensors are then whole vectors of any
    processor, so that a run's rounding does not depend on its place; compile: whether the round is one
    compiled graph, auto for runs of 2,000 steps and more. Raises ValueError for other values.
    """

    def __init__(self, width: int = 32, compile: Literal["auto", "on", "off"] = "auto") -> None:  # noqa: A002
        if not isinstance(width, int) or isinstance(width, bool) or width < 32 or width % 32:
            near = 32 * max(1, round(width / 32)) if isinstance(width, int | float) else 32
            raise ValueError(f"width must be a multiple of 32, got {width!r}; use {near}")
        if compile not in (choices := ("auto", "on", "off")):
            close = nearest(str(compile), choices)
            raise ValueError(f"compile must be one of {', '.join(choices)}, got {compile!r}{close}")
        self.width, self.compile = width, compile

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context, self.task, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from gan_cli.launchers import ensemble  # only here: Hydra imports all plugins before every command

        sweep = ensemble.Sweep(self.context, self.task, self.config, self.width, self.compile)
        return ensemble.launch(sweep, job_overrides, initial_job_idx)
