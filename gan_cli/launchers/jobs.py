"""What both launchers do with Hydra's config of one job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext
from omegaconf import DictConfig, open_dict, read_write

from gan_cli.cli import output, resume
from gan_cli.errors import InputError


def composed(
    context: HydraContext, sweep: DictConfig, lines: Sequence[str], number: int
) -> tuple[DictConfig, Path]:
    """The config of a job as Hydra's basic launcher composes it, and its folder. Raises InputError."""
    config = context.config_loader.load_sweep_config(sweep, list(lines))
    with open_dict(config):
        config.hydra.job.id = config.hydra.job.num = number
    folder = output.folder_of(config, number)
    if folder is None:
        raise InputError(f"job {number}: hydra.sweep.subdir gives it no folder")
    return config, folder


class Told(JobReturn):
    """Hydra's own, without the line that it prints before it raises: each failure was told before."""

    @property  # type: ignore[misc]  # Hydra's can be set, too
    def return_value(self) -> Any:
        if self.status == JobStatus.FAILED:
            raise self._return_value
        return self._return_value


def go_on(config: DictConfig, folder: Path) -> None:
    """Let the job of this config go on with the run in its folder."""
    with read_write(config.hydra), open_dict(config):
        config.resume = str(folder)
        config.hydra.output_subdir = resume.find(str(folder)).next_settings()
