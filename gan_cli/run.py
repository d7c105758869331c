"""From an experiment to a finished run folder: load, start or go on, train."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from gan_cli import checkpoint
from gan_cli.build import Experiment
from gan_cli.data.base import Sampler, Table
from gan_cli.data.feed import Feed
from gan_cli.loop import train
from gan_cli.observers.base import Observer, Outcome, Run
from gan_cli.observers.defaults import default_observers
from gan_cli.observers.profiler import Profiler
from gan_cli.parallel.crew import joined
from gan_cli.runtime import prepare
from gan_cli.streams import Streams


def run(
    experiment: Experiment,
    folder: Path,
    resume: bool = False,
    stop: Callable[[], bool] = lambda: False,
    then: Sequence[Observer] = (),
) -> tuple[int, Outcome]:
    """Train in `folder`, from its last good checkpoint if `resume`; the steps done, and how it ended.

    then: who else is told of a step once it is written. Of the processes of a torchrun launch each trains on
    its rows, and the first alone sees the folder.
    Raises InputError for data that cannot be read and RunError for a run that fails on its way.
    """
    prepare(experiment.runtime, experiment.device)
    learner, device, ranks = experiment.learner, experiment.device, experiment.ranks
    streams = Streams(experiment.seed, device)
    state, start, notes = learner.init(experiment.seed, device), 0, []
    if resume and ranks.leads:
        found, skipped = checkpoint.latest_good(folder)
        notes = [f"{line}; going back to the one before" for line in skipped]
        if found is None:
            notes.append("there is no whole checkpoint: starting from step 0")
        else:
            state, start = checkpoint.restore(state, found.tensors), found.step
    with joined(ranks, device) as crew:
        state, start = crew.same_start(state, start)
        size, rows = learner.batch_size, ranks.rows(learner.batch_size)
        with crew.one_first("data"):
            if not ranks.leads:  # what the first one looked for, on another machine
                experiment.preflight()
            feed = Feed(experiment.dataset, size, streams, device, experiment.resident_mb, rows)
        with feed:
            description = replace(
                described(experiment, folder, feed.data, start, notes),
                redraw=lambda step: learner.draw(step, feed, streams),
            )
            observers = [Profiler(), *default_observers(description, then=then)] if ranks.leads else []
            state, outcome = train(learner, feed, state, description, observers, crew.agreed(stop))
    return int(state.step), outcome


def described(
    experiment: Experiment, folder: Path, data: Table | Sampler, step: int = 0, notes: Sequence[str] = ()
) -> Run:
    """The experiment in its folder as observers know it: its data loaded, at the start of step `step`."""
    return Run(
        folder=folder,
        learner=experiment.plain,
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
