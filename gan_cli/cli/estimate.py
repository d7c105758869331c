"""`gan-estimate`: a critic alone between two laws, and what it shows of their divergence.

As with `gan-train`, what can be refused without torch is refused before torch is imported, and everything is
refused before a folder is made or data is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gan_cli.cli import program
from gan_cli.errors import InputError
from gan_cli.schema import ESTIMATE

if TYPE_CHECKING:
    from gan_cli.cli.compose import Plan


def main() -> None:
    """The console command; ends the process with its exit code."""
    program.ended(command, ESTIMATE.command)


def command(argv: Sequence[str]) -> int:
    """Run one command line; its exit code. Raises GanTrainError for all that a user can do wrong."""
    if program.answered(argv, ESTIMATE):
        return 0
    from gan_cli.cli import compose, output, request, sweeps

    asked = request.parse(argv, ESTIMATE)
    if asked.composes:
        program.make_importable(asked.config_dir)
        plan = compose.plan(asked)
        asked = asked.with_overrides(plan.overrides, asked.config_dir)
        if asked.runs:
            if not plan.multirun:
                sweeps.refuse_alone(plan.overrides)
            for folder in {job.folder for job in plan.jobs if job.folder is not None}:
                output.refuse_taken(folder)
            _check_targets(plan)
    from gan_cli.cli import inquiry, job, plugins

    plugins.register()
    job.hand_over(asked.argv(), inquiry.main)
    return 0


def _check_targets(plan: Plan) -> None:
    """Build what every job asks for once: what its classes refuse is refused here."""
    from gan_cli.cli.inquiry import inquiry

    for job in plan.jobs:
        try:
            asked = inquiry(job.config)
            for dataset in (asked.p, asked.q):
                dataset.preflight()
        except InputError as error:
            which = f" (in the estimate {' '.join(job.overrides)})" if len(plan.jobs) > 1 else ""
            raise InputError(f"{error}{which}") from error


if __name__ == "__main__":
    main()
