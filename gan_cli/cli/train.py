"""`gan-train`: read the command line, refuse what is wrong in it, and let Hydra run the rest.

What can be refused without torch is refused before torch is imported; everything is refused before a
folder is made or data is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gan_cli.cli import program, torchrun
from gan_cli.errors import InputError
from gan_cli.schema import TRAIN

if TYPE_CHECKING:
    from gan_cli.cli.compose import Plan


def main() -> None:
    """The console command; ends the process with its exit code."""
    program.ended(torchrun.shared(command), TRAIN.command)


def command(argv: Sequence[str]) -> int:
    """Run one command line; its exit code. Raises GanTrainError for all that a user can do wrong."""
    return 0 if program.answered(argv, TRAIN) else _hydra_command(argv)


def _hydra_command(argv: Sequence[str]) -> int:
    from gan_cli.cli import compose, output, plugins, request, resume, search, standing, sweeps

    asked = request.parse(argv)
    if not asked.composes or asked.flags.experimental_rerun:
        return _hand_over(asked.argv())
    name = resume.asked_for(asked)
    earlier = resume.find(name) if name is not None else None
    if earlier is not None:
        asked = resume.extend(asked, earlier)
    program.make_importable(asked.config_dir)
    plan = compose.plan(asked)
    asked = asked.with_overrides(plan.overrides, asked.config_dir)
    if not asked.runs:
        return _hand_over(asked.argv())
    if not plan.multirun:
        sweeps.refuse_alone(plan.overrides)
    torchrun.refuse_series(
        "a sweep" if plan.multirun else "a study" if plan.jobs[0].config["study"] else None
    )
    if earlier is not None:
        config = plan.jobs[0].config
        earlier.refuse_changes(config)
        _refuse_running(earlier.folder)
        if earlier.finished(config["steps"]):
            print(f"{output.shown(earlier.folder)} is finished; more steps=... than it has go on with it")
            return 0
    elif plan.multirun and plan.launcher in plugins.LAUNCHERS:
        standing.refuse_changed(plan.jobs)
    else:
        for folder in {job.folder for job in plan.jobs if job.folder is not None}:
            output.refuse_taken(folder)
    search.refuse(plan)
    _check_targets(plan)
    plugins.register()
    asked = asked.with_overrides([*plan.overrides, *search.settings(plan), *_folder(plan)], asked.config_dir)
    return _hand_over(asked.argv(), plan.sweep, tells=plan.launcher in plugins.LAUNCHERS)


def _folder(plan: Plan) -> list[str]:
    """The sweep's folder as it was found: another composition would draw another one."""
    from gan_cli.cli.request import quoted

    if plan.sweep is None:
        return []
    # A worker of a Ray cluster has another current folder.
    place = plan.sweep.absolute() if plan.launcher.startswith("hydra_plugins.hydra_ray") else plan.sweep
    return [f"hydra.sweep.dir={quoted(str(place))}"]


def _refuse_running(folder: Path) -> None:
    from gan_cli.cli.job import locked

    with locked(folder):
        pass


def _check_targets(plan: Plan) -> None:
    """Build every job's experiment once and let it go: what its classes refuse is refused here."""
    from gan_cli.cli.job import experiment
    from gan_cli.cli.series import study

    seen: list[dict[str, object]] = []
    for job in plan.jobs:
        config = {key: value for key, value in job.config.items() if key != "seed"}
        if config in seen:
            continue
        seen.append(config)
        try:
            experiment(job.config).preflight()
            study(job.config)
        except InputError as error:
            which = f" (in the run {' '.join(job.overrides)})" if len(plan.jobs) > 1 else ""
            raise InputError(f"{error}{which}") from error


def _hand_over(argv: list[str], sweep: Path | None = None, tells: bool = False) -> int:
    from gan_cli.cli.job import hand_over

    hand_over(argv, sweep=sweep, tells=tells)
    return 0


if __name__ == "__main__":
    main()
