"""The training loop: draw, play, tell the observers. It knows no trick, no loss and no file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gan_cli.errors import RunError
from gan_cli.learner import Learner, Source
from gan_cli.observers.base import Observer, Outcome, Run, finish
from gan_cli.types import State


def train(
    learner: Learner,
    feed: Source,
    state: State,
    run: Run,
    observers: Sequence[Observer],
    stop: Callable[[], bool] = lambda: False,
) -> tuple[State, Outcome]:
    """Play rounds run.start_step … run.steps − 1 from `state`, or fewer if `stop` says so.

    Every observer's `finish` is called however the loop ends; the first error is the one that is raised.
    """
    step = run.start_step
    try:
        for observer in observers:
            observer.start(run, state)
        while step < run.steps and not stop():
            batches = learner.draw(step, feed, run.streams)
            for observer in observers:
                observer.before(step + 1, state, batches)
            try:
                state, traces = learner.play(state, batches)
            except RunError:
                if stop():  # the signal that asks for it has ended the compiler, too
                    break
                raise
            step += 1
            for observer in observers:
                observer.after(step, state, traces)
    except BaseException:
        finish(observers, step, state, "failed")
        raise
    outcome: Outcome = "done" if step >= run.steps else "stopped"
    if errors := finish(observers, step, state, outcome):
        raise errors[0]
    return state, outcome
