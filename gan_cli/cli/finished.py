"""Finished runs, opened again: for the commands that look at them, and as a data set."""

from __future__ import annotations

from collections.abc import Sequence
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
from gan_cli.comparison.runs import natural
from gan_cli.data.base import Dataset, Kind, Sampler
from gan_cli.errors import InputError
from gan_cli.learner import Learner
from gan_cli.observers.base import Run as Described
from gan_cli.types import State

if TYPE_CHECKING:
    from gan_cli.build import Experiment

_AT_ONCE = 512


@dataclass(frozen=True)
class Opened:
    """A run at one of its checkpoints: what it was of, and its state. Its data are read only if asked for."""

    folder: Path
    experiment: Experiment
    file: Path
    step: int
    state: State

    @cached_property
    def run(self) -> Described:
        """The run as the observers know it, its data loaded. Raises InputError where these cannot be read."""
        from gan_cli.run import described

        self.experiment.dataset.preflight()
        return described(self.experiment, self.folder, self.experiment.dataset.load(), self.step)


def opened(folder: str, which: str = "last", device: str = "cpu", key: str = "run") -> Opened:
    """The run in `folder` at its checkpoint `which`: "last" (the last whole one), "best", or a step.

    key: what the user called the folder. Raises InputError where the folder holds no run, its settings cannot
    be built, or there is no such checkpoint.
    """
    experiment = _experiment(folder, device, key)
    place = Path(folder).expanduser()
    found = _checkpoint(place, which)
    state = checkpoint.restore(experiment.plain.init(experiment.seed, experiment.device), found.tensors)
    return Opened(place, experiment, found.path, found.step, state)


def runs_below(folder: Path) -> list[Path]:
    """The folders of runs at or below this one, in the order in which a person counts."""
    found = {path.parent.parent for path in folder.rglob(".hydra/config.yaml")}
    runs = [run for run in found if (run / "summary.json").is_file() or checkpoint.listed(run)]
    return sorted(runs, key=natural)


def _experiment(folder: str, device: str, key: str) -> Experiment:
    earlier = resume.find(folder, key)
    program.make_importable(earlier.config_dir)
    program.make_importable(earlier.cwd / "configs")
    settings = saved(earlier.settings / "config.yaml")
    data = settings["data"] | earlier.moved(settings["data"])
    other = {"device": device, "data": data, "metric": {}, "keep_best": None}
    built: Experiment = job.experiment(settings | other)
    return built


def _checkpoint(folder: Path, which: str) -> checkpoint.Checkpoint:
    there = checkpoint.listed(folder), checkpoint.bests(folder)
    try:
        return _read(folder, which, *there)
    except InputError:
        if there == (checkpoint.listed(folder), checkpoint.bests(folder)):
            raise
    return _checkpoint(folder, which)  # a run that goes on has put others in their place


def _read(
    folder: Path, which: str, there: Sequence[tuple[int, Path]], bests: Sequence[checkpoint.Best]
) -> checkpoint.Checkpoint:
    if which == "best" and bests:
        return checkpoint.load(folder / checkpoint.FOLDER / bests[-1].file)
    if not there:
        raise InputError(f"{shown(folder.absolute())} has no checkpoint yet: there is no generator")
    if which == "last":
        found, _ = checkpoint.latest_good(folder)
        if found is None:
            raise InputError(f"{folder} has no whole checkpoint: there is no generator")
        return found
    for step, path in there:
        if which == str(step):
            return checkpoint.load(path)
    steps = ", ".join(str(step) for step, _ in there)
    none = "kept no best one (keep_best=<number>), it " if which == "best" else ""
    raise InputError(f"checkpoint={which}: {shown(folder.absolute())} {none}has those of the steps {steps}")


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
    def _experiment(self) -> Any:
        return _experiment(self.folder, "cpu", "folder")

    @property
    def kind(self) -> Kind:  # type: ignore[override]
        """That of the run's data."""
        kind: Kind = self._experiment.dataset.kind
        return kind

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the run's data."""
        shape: tuple[int, ...] = self._experiment.dataset.shape
        return shape

    @property
    def pixel_range(self) -> tuple[float, float] | None:
        bounds: tuple[float, float] | None = self._experiment.dataset.pixel_range
        return bounds

    def held_out(self) -> Run:
        return self

    def preflight(self) -> None:
        """Raises InputError where the run has no checkpoint."""
        _checkpoint(Path(self.folder).expanduser(), "last")

    def load(self) -> Sampler:
        """The generator at the last checkpoint that is whole. Raises InputError where there is none."""
        last = opened(self.folder, key="folder")
        return Generated(last.experiment.plain, last.state)
