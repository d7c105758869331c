"""`gan-train`: read the command line, refuse what is wrong in it, and let Hydra run the rest.

What can be refused without torch is refused before torch is imported; everything is refused before a
folder is made or data is read.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import gan_cli
from gan_cli.cli import report
from gan_cli.errors import InputError

if TYPE_CHECKING:
    from gan_cli.cli.compose import Plan


def main() -> None:
    """The console command; ends the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a letter shows a question mark
    try:
        code = command(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - nobody is above, and it is told
        code = report.told(error)
    sys.exit(code)


def command(argv: Sequence[str]) -> int:
    """Run one command line; its exit code. Raises GanTrainError for all that a user can do wrong."""
    flags = _first_flags(argv)
    if flags.version:
        print(f"gan-train {gan_cli.__version__}")
        return 0
    if flags.help:
        from gan_cli.cli import folders, help  # noqa: A004

        own = [folders.extra_configs(flags.config_dir)] if flags.config_dir else []
        print(help.text([folders.package_configs(), *own], flags.words), end="")
        return 0
    return _hydra_command(argv)


def _first_flags(argv: Sequence[str]) -> argparse.Namespace:
    """The flags that are answered without Hydra."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--help", "-h", action="store_true")
    parser.add_argument("--version", action="store_true")
    parser.add_argument("--config-dir", "-cd")
    try:
        flags, words = parser.parse_known_args(list(argv))
    except argparse.ArgumentError as error:
        raise InputError(str(error)) from None
    flags.words = words
    return flags


def _hydra_command(argv: Sequence[str]) -> int:
    from gan_cli.cli import compose, output, request, resume

    asked = request.parse(argv)
    if not asked.composes or asked.flags.experimental_rerun:
        return _hand_over(asked.argv())
    name = resume.asked_for(asked)
    earlier = resume.find(name) if name is not None else None
    if earlier is not None:
        asked = resume.extend(asked, earlier)
    _make_importable(asked.config_dir)
    plan = compose.plan(asked)
    asked = asked.with_overrides(plan.overrides, asked.config_dir)
    if not asked.runs:
        return _hand_over(asked.argv())
    if earlier is not None:
        config = plan.jobs[0].config
        earlier.refuse_changes(config)
        _refuse_running(earlier.folder)
        if earlier.finished(config["steps"]):
            print(f"{output.shown(earlier.folder)} is finished; more steps=... than it has go on with it")
            return 0
    else:
        for folder in {job.folder for job in plan.jobs if job.folder is not None}:
            output.refuse_taken(folder)
    _check_targets(plan)
    return _hand_over(asked.argv())


def _make_importable(config_dir: Path | None) -> None:
    """Let a `_target_` name modules of the current folder and of the one that holds --config-dir."""
    places = [Path.cwd()] + ([config_dir.parent] if config_dir is not None else [])
    sys.path += [str(place) for place in places if str(place) not in sys.path]


def _refuse_running(folder: Path) -> None:
    from gan_cli.cli.job import locked

    with locked(folder):
        pass


def _check_targets(plan: Plan) -> None:
    """Build every job's experiment once and let it go: what its classes refuse is refused here."""
    from gan_cli.cli.job import experiment

    seen: list[dict[str, object]] = []
    for job in plan.jobs:
        config = {key: value for key, value in job.config.items() if key != "seed"}
        if config in seen:
            continue
        seen.append(config)
        try:
            experiment(job.config).dataset.preflight()
        except InputError as error:
            which = f" (in the run {' '.join(job.overrides)})" if len(plan.jobs) > 1 else ""
            raise InputError(f"{error}{which}") from error


def _hand_over(argv: list[str]) -> int:
    from gan_cli.cli.job import hand_over

    hand_over(argv)
    return 0


if __name__ == "__main__":
    main()
