"""`gan-eval`: measure the generators of finished runs, and keep what is found beside each run.

As with `gan-train`, what can be refused without torch is refused before torch is imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gan_cli.cli import program
from gan_cli.errors import InputError, nearest
from gan_cli.schema import EVALUATE

_CHECKPOINTS = ("last", "best")


def main() -> None:
    """The console command; ends the process with its exit code."""
    program.ended(command, EVALUATE.command)


def command(argv: Sequence[str]) -> int:
    """Run one command line; its exit code. Raises GanTrainError for all that a user can do wrong."""
    if program.answered(argv, EVALUATE):
        return 0
    from gan_cli.cli import compose, request

    asked = request.parse(argv, EVALUATE)
    if asked.composes:
        program.make_importable(asked.config_dir)
        plan = compose.plan(asked)
        asked = asked.with_overrides(plan.overrides, asked.config_dir)
        if asked.runs:
            for job in plan.jobs:
                _refuse(job.config)
            for line in plan.overrides:
                if line.startswith(("hydra.run.", "hydra.sweep.")):
                    raise InputError(
                        f"{line}: gan-eval makes no folder; what it finds is kept beside the run"
                    )
            from gan_cli.cli import measuring

            return max(measuring.evaluate(job.config) for job in plan.jobs)
    _show(asked.argv())
    return 0


def _refuse(config: Mapping[str, Any]) -> None:
    """Raise InputError for what the schema cannot know to be wrong."""
    run, which = config["run"], config["checkpoint"]
    if not run:
        raise InputError(
            "run has no value: set it with run=<folder>, that of a run or one with runs below it"
        )
    if which not in _CHECKPOINTS and not which.isdecimal():
        raise InputError(
            f"checkpoint must be last, best or a step, got '{which}'{nearest(which, _CHECKPOINTS)}"
        )
    folder = Path(run).expanduser()
    if not folder.is_dir():
        from gan_cli.cli import resume

        resume.find(run, "run")


def _show(argv: list[str]) -> None:
    """Let Hydra answer a flag such as --cfg; it starts no job."""
    import hydra

    from gan_cli.cli import job
    from gan_cli.cli.folders import package_configs

    start = hydra.main(version_base="1.3", config_path=str(package_configs()), config_name=EVALUATE.main)
    job.hand_over(argv, start(lambda config: None))


if __name__ == "__main__":
    main()
