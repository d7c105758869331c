"""`gan-eval`: measure the generators of finished runs, and keep what is found beside each run.

As with `gan-train`, what can be refused without torch is refused before torch is imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gan_cli.cli import program
from gan_cli.errors import InputError
from gan_cli.schema import EVALUATE, refuse_no_checkpoint


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
            for one in plan.jobs:
                _refuse(one.config)
            for line in plan.overrides:
                if line.startswith(("hydra.run.", "hydra.sweep.")):
                    raise InputError(
                        f"{line}: gan-eval makes no folder; what it finds is kept beside the run"
                    )
            from gan_cli.cli import measuring

            return max(measuring.evaluate(one.config) for one in plan.jobs)
    from gan_cli.cli import job

    job.answered_by_hydra(asked.argv(), EVALUATE)
    return 0


def _refuse(config: Mapping[str, Any]) -> None:
    """Raise InputError for what the schema cannot know to be wrong."""
    run = config["run"]
    if not run:
        raise InputError(
            "run has no value: set it with run=<folder>, that of a run or one with runs below it"
        )
    refuse_no_checkpoint(config["checkpoint"])
    folder = Path(run).expanduser()
    if not folder.is_dir():
        from gan_cli.cli import resume

        resume.find(run, "run")


if __name__ == "__main__":
    main()
