"""What a search is told of its jobs: the best value of the number that `keep_best` names, which way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_cli.errors import InputError
from gan_cli.schema import TARGET

if TYPE_CHECKING:
    from gan_cli.build import Experiment
    from gan_cli.cli.compose import Plan
    from gan_cli.metrics.directions import Direction

OPTUNA = "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper"
_WAYS: dict[Direction, str] = {"higher": "maximize", "lower": "minimize"}
_NODE = "hydra.sweeper"


def better(built: Experiment) -> Direction | None:
    """Which way the number that the experiment's `keep_best` names is better; None where it names none."""
    from gan_cli.data.base import Distribution
    from gan_cli.observers.checkpoints import best_direction

    law = built.dataset.kind == "points" and isinstance(built.dataset.load(), Distribution)
    return best_direction(built.settings, built.metrics, law)


def reached(folder: Path, config: Mapping[str, Any]) -> float | None:
    """The best value of the run's `keep_best` number so far, NaN where it has none yet; None without such.

    config: the run's, checked.
    """
    from gan_cli import checkpoint

    if config["keep_best"] is None:
        return None
    found = checkpoint.bests(folder)
    return found[-1].value if found else math.nan


def refuse(plan: Plan) -> None:
    """Raise InputError for a search or a pruning without the number that it compares runs by, and for a
    search without a run."""
    searches = plan.multirun and plan.sweeper.get(TARGET) == OPTUNA
    for name in ("n_trials", "n_jobs") if searches else ():
        value = plan.sweeper.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InputError(
                f"{_NODE}.{name} must be a whole number ≥ 1, got {value!r}; use {name}=1 or more"
            )
    for job in plan.jobs:
        asks = f"prune={job.config['prune']}" if job.config["prune"] else None
        asks = f"{_NODE[:5]}/sweeper=optuna" if searches else asks
        if asks is None:
            continue
        if job.config["study"] is not None:
            raise InputError(f"{asks}: a study is a series of runs, without one number to compare it by")
        if job.config["keep_best"] is None:
            raise InputError(
                f"{asks} compares runs by the number that keep_best names: set it, such as "
                "keep_best=reverse_kl on points, or keep_best=frechet with metric=[frechet]"
            )


def settings(plan: Plan) -> list[str]:
    """The overrides that Optuna's sweeper needs beside the user's: the direction, and patience with failures.

    Raises InputError where the user's direction contradicts the number's.
    """
    if not plan.multirun or plan.sweeper.get(TARGET) != OPTUNA:
        return []
    from gan_cli.cli.job import experiment

    first = plan.jobs[0].config
    name, way = first["keep_best"], better(experiment(first))
    if any(job.config["keep_best"] != name for job in plan.jobs):
        raise InputError("keep_best: a search goes by one number, the same in all of its runs")
    assert way is not None
    found = [] if _given(plan.overrides, "max_failure_rate") else [f"{_NODE}.max_failure_rate=1.0"]
    return [*found, *_direction(plan, f"keep_best={name}", way)]


def _direction(plan: Plan, number: str, way: Direction) -> Sequence[str]:
    asked = plan.sweeper.get("direction")
    said = getattr(asked, "name", asked)
    if not isinstance(said, str):
        raise InputError(f"{_NODE}.direction={asked}: a search goes by one number, that of {number}")
    if said == _WAYS[way]:
        return []
    if _given(plan.overrides, "direction") or said != "minimize":  # which the plugin says unasked
        raise InputError(f"{_NODE}.direction={said}: {number} is better the {way} it is; leave it out")
    return [f"{_NODE}.direction={_WAYS[way]}"]


def _given(lines: Sequence[str], name: str) -> bool:
    return any(line.lstrip("+").startswith(f"{_NODE}.{name}=") for line in lines)
