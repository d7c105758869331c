"""`gan-sample`: pictures and samples from the generator of a finished run, kept beside it.

As with `gan-train`, what can be refused without torch is refused before torch is imported; an animation of
saved pictures needs none at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gan_cli.cli import program
from gan_cli.errors import InputError
from gan_cli.sampling import options
from gan_cli.sampling.options import SAMPLE

FOLDER = "generated"
REAL = "samples/real.png"
"""What a run on images leaves, and one on points does not."""


def main() -> None:
    """The console command; ends the process with its exit code."""
    program.ended(command, SAMPLE.command)


def command(argv: Sequence[str]) -> int:
    """Run one command line; its exit code. Raises GanTrainError for all that a user can do wrong."""
    if program.answered(argv, SAMPLE):
        return 0
    from gan_cli.cli import compose, request

    asked = request.parse(argv, SAMPLE)
    if asked.composes:
        program.make_importable(asked.config_dir)
        plan = compose.plan(asked)
        asked = asked.with_overrides(plan.overrides, asked.config_dir)
        if asked.runs:
            defaults = _defaults()
            jobs = [_settled(one.config, defaults) for one in plan.jobs]
            for config in jobs:
                print(_drawn(config, defaults), flush=True)
            return 0
    from gan_cli.cli import job

    job.answered_by_hydra(asked.argv(), SAMPLE)
    return 0


def _defaults() -> dict[str, Any]:
    import yaml

    from gan_cli.cli.folders import package_configs

    file = package_configs() / f"{SAMPLE.main}.yaml"
    values: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return values


def _settled(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The config of one job. Raises InputError for what can be refused without torch."""
    from gan_cli.cli import resume

    settled = options.settled(config, defaults)
    folder = resume.find(settled["run"], "run").folder
    out = Path(settled["out"]).expanduser() if settled["out"] else folder / FOLDER
    if out.exists() and not out.is_dir():
        raise InputError(f"out={settled['out']}: it is a file; name a folder")
    return settled


def place(config: Mapping[str, Any], defaults: Mapping[str, Any], step: int | None, mark: str) -> Path:
    """Where what is drawn goes. mark: what tells a checkpoint from other runs' in one `out` folder."""
    folder, mark = Path(config["run"]).expanduser() / FOLDER, mark if config["out"] else ""
    if config["out"]:
        folder = Path(config["out"]).expanduser()
    ending = "" if config["format"] == "files" else f".{config['format']}"
    return folder / (options.stem(config, defaults, step, mark) + ending)


def _drawn(config: dict[str, Any], defaults: Mapping[str, Any]) -> str:
    """Draw one job's picture; the path as a user would type it."""
    from gan_cli.cli.output import shown

    if config["what"] == "animation":
        path = _animated(config, defaults)
    else:
        from gan_cli.cli import drawing

        path = drawing.draw(config, lambda step, mark: place(config, defaults, step, mark))
    return shown(path.absolute())


def _animated(config: dict[str, Any], defaults: Mapping[str, Any]) -> Path:
    from gan_cli.files import write_atomic
    from gan_cli.sampling import animation

    run = Path(config["run"]).expanduser()
    frames = animation.thinned(animation.saved(run, config["frames"]), config["n"])
    mark = hashlib.blake2b(str(run.absolute()).encode(), digest_size=4).hexdigest()
    path = place(config, defaults, frames[-1][0], mark)
    # The plots of points, unlike the grids of images, say their step themselves.
    numbered = config["numbers"] if config["numbers"] is not None else (run / REAL).is_file()
    write_atomic(path, animation.animation(frames, config["format"], config["frame_ms"], numbered))
    return path


if __name__ == "__main__":
    main()
