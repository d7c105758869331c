"""The generator of a finished run as a data set: `q=run q.folder=outputs/…`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gan_cli import checkpoint
from gan_cli.cli import job, program, resume
from gan_cli.cli.compose import saved
from gan_cli.cli.output import shown
from gan_cli.data.base import Dataset, Kind, Sampler
from gan_cli.errors import InputError
from gan_cli.learner import Learner
from gan_cli.types import State

if TYPE_CHECKING:
    from gan_cli.build import Experiment

_AT_ONCE = 512


@dataclass(frozen=True)
class Generated(Sampler):
    """The law of G(z), z from the prior, in evaluation mode."""

    learner: Learner
    state: State

    @torch.no_grad()
    def sample(self, generator: torch.Generator, n: int) -> Tensor:
        """n examples in the data's range, [n, *shape]."""
        latents = self.learner.latents(generator, n)
        return torch.cat([self.learner.sample(self.state, part) for part in latents.split(_AT_ONCE)]).float()

    def to(self, device: torch.device) -> Generated:
        return Generated(self.learner, pytree.tree_map(lambda tensor: tensor.to(device), self.state))


@dataclass(frozen=True, kw_only=True)
class Run(Dataset):
    """What the generator of a run makes, drawn afresh; `folder` is the run's, whose last good checkpoint is
    taken.

    Raises ValueError where the folder holds no run, or one whose settings cannot be built.
    """

    folder: str
    default_steps: int = 10000

    def __post_init__(self) -> None:
        try:
            self._experiment  # noqa: B018 - what is wrong with the run is to be said here
        except InputError as error:
            raise ValueError(str(error)) from error

    @cached_property
    def _experiment(self) -> Experiment:
        earlier = resume.find(self.folder, "folder")
        program.make_importable(earlier.config_dir)
        program.make_importable(earlier.cwd / "configs")
        built: Experiment = job.experiment(
            saved(earlier.settings / "config.yaml") | {"device": "cpu", "metric": {}}
        )
        return built

    @property
    def kind(self) -> Kind:  # type: ignore[override]
        """That of the run's data."""
        return self._experiment.dataset.kind

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the run's data."""
        return self._experiment.dataset.shape

    @property
    def pixel_range(self) -> tuple[float, float] | None:
        return self._experiment.dataset.pixel_range

    def preflight(self) -> None:
        """Raises InputError where the run has no checkpoint."""
        if not checkpoint.listed(Path(self.folder).expanduser()):
            raise InputError(
                f"{shown(Path(self.folder).absolute())} has no checkpoint yet: there is no generator"
            )

    def load(self) -> Sampler:
        """The generator at the last checkpoint that is whole. Raises InputError where there is none."""
        experiment: Any = self._experiment
        found, _ = checkpoint.latest_good(Path(self.folder).expanduser())
        if found is None:
            raise InputError(f"{self.folder} has no whole checkpoint: there is no generator")
        state = checkpoint.restore(experiment.game.init(experiment.seed, "cpu"), found.tensors)
        return Generated(experiment.game, state)
