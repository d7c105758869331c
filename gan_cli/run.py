"""From an experiment to a finished run folder: load, start or go on, train."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from gan_cli import checkpoint
from gan_cli.build import Experiment
from gan_cli.data.base import Sampler, Table
from gan_cli.data.feed import Feed
from gan_cli.loop import train
from gan_cli.observers.base import Outcome, Run
from gan_cli.observers.defaults import default_observers
from gan_cli.streams import Streams


def run(
    experiment: Experiment, folder: Path, resume: bool = False, stop: Callable[[], bool] = lambda: False
) -> tuple[int, Outcome]:
    """Train in `folder`, from its last good checkpoint if `resume`; the steps done, and how it ended.

    Raises InputError for data that cannot be read and RunError for a run that fails on its way.
    """
    if experiment.threads:
        torch.set_num_threads(experiment.threads)
    learner, device = experiment.game, experiment.device
    streams = Streams(experiment.seed, device)
    state, start, notes = learner.init(experiment.seed, device), 0, []
    if resume:
        found, skipped = checkpoint.latest_good(folder)
        notes = [f"{line}; going back to the one before" for line in skipped]
        if found is None:
            notes.append("there is no whole checkpoint: starting from step 0")
        else:
            state, start = checkpoint.restore(state, found.tensors), found.step
    with Feed(experiment.dataset, learner.batch_size, streams, device, experiment.resident_mb) as feed:
        description = described(experiment, folder, feed.data, start, notes)
        state, outcome = train(learner, feed, state, description, default_observers(description), stop)
    return int(state.step), outcome


def described(
    experiment: Experiment, folder: Path, data: Table | Sampler, step: int = 0, notes: Sequence[str] = ()
) -> Run:
    """The experiment in its folder as observers know it: its data loaded, at the start of step `step`."""
    return Run(
        folder=folder,
        learner=experiment.game,
        dataset=experiment.dataset,
        data=data,
        streams=Streams(experiment.seed, experiment.device),
        seed=experiment.seed,
        steps=experiment.steps,
        settings=experiment.settings,
        metrics=experiment.metrics,
        device=experiment.device,
        config_yaml=experiment.config_yaml,
        config=experiment.config,
        start_step=step,
        notes=tuple(notes),
    )
