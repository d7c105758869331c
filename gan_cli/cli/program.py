"""What all console commands share: how they end, and the flags that are answered without Hydra."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gan_cli
from gan_cli.cli import report
from gan_cli.errors import InputError
from gan_cli.schema import Schema


def ended(command: Callable[[Sequence[str]], int], name: str) -> None:
    """Run a command on this process's command line and end the process with its exit code."""
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
        code = report.told(error, command=name)
    sys.exit(code)


def answered(argv: Sequence[str], schema: Schema) -> bool:
    """Whether --version or --help was asked for, and has been answered. Raises InputError for wrong ones."""
    flags = _first_flags(argv)
    if flags.version:
        print(f"{schema.command} {gan_cli.__version__}")
    elif flags.help:
        from gan_cli.cli import folders, help  # noqa: A004

        own = [folders.extra_configs(flags.config_dir)] if flags.config_dir else []
        print(help.text([folders.package_configs(), *own], flags.words, schema), end="")
    return bool(flags.version or flags.help)


def make_importable(config_dir: Path | None) -> None:
    """Let a `_target_` name modules of the current folder and of the one that holds --config-dir."""
    _importable([Path.cwd()] + ([config_dir.parent] if config_dir is not None else []))


def make_importable_again(runtime: Any) -> None:
    """The same in a job, which a launcher may have sent elsewhere. runtime: that node of Hydra's config."""
    given = [Path(source.path) for source in runtime.config_sources if source.provider == "command-line"]
    _importable([Path(runtime.cwd), *(place.parent for place in given)])


def _importable(places: Sequence[Path]) -> None:
    sys.path += [str(place) for place in places if str(place) not in sys.path]


def _first_flags(argv: Sequence[str]) -> argparse.Namespace:
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
