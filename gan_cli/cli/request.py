"""What a command line asks for: Hydra's flags and a list of overrides."""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from hydra._internal.utils import get_args_parser

from gan_cli.cli.folders import extra_configs, package_configs
from gan_cli.errors import InputError, nearest
from gan_cli.schema import TRAIN, Schema

_PATHS = ("resume", "run", "out", "data.folder", "p.folder", "q.folder")


@dataclass(frozen=True)
class Request:
    """A command line taken apart. `config_dir`: the user's own folder of configs; `flags`: all the rest."""

    overrides: list[str]
    flags: argparse.Namespace
    config_path: Path
    config_name: str
    config_dir: Path | None
    schema: Schema = TRAIN

    @property
    def multirun(self) -> bool:
        """Whether a sweep is asked for by flag."""
        return bool(self.flags.multirun)

    @property
    def runs(self) -> bool:
        """Whether something is to be trained, and not just shown."""
        flags = self.flags
        return not (flags.cfg or flags.info or flags.shell_completion or flags.hydra_help)

    @property
    def composes(self) -> bool:
        """Whether the overrides make a config: all but Hydra's own help and the shell's completion."""
        return not (self.flags.shell_completion or self.flags.hydra_help)

    def with_overrides(self, overrides: list[str], config_dir: Path | None) -> Request:
        """The same command with other overrides and another folder of the user's."""
        return dataclasses.replace(self, overrides=overrides, config_dir=config_dir)

    def argv(self) -> list[str]:
        """The command line again, flags first, as Hydra's own parser reads it."""
        flags = self.flags
        pairs = {"--cfg": flags.cfg, "--package": flags.package, "--info": flags.info}
        pairs |= {"--config-name": flags.config_name, "--experimental-rerun": flags.experimental_rerun}
        pairs["--config-path"] = str(self.config_path) if flags.config_path else None
        pairs["--config-dir"] = str(self.config_dir) if self.config_dir else None
        switches = ["resolve", "run", "multirun", "shell_completion", "hydra_help"]
        given = [f"--{name.replace('_', '-')}" for name in switches if getattr(flags, name)]
        given += [f"{name}={value}" for name, value in pairs.items() if value is not None]
        return [*given, "--", *self.overrides]


def parse(argv: Sequence[str], schema: Schema = TRAIN) -> Request:
    """Take the command line apart. Raises InputError for a wrong flag or a folder that is none."""
    parser = get_args_parser()
    known = [option for action in parser._actions for option in action.option_strings]

    def refuse(message: str) -> NoReturn:
        unknown = [word for word in argv if word.startswith("-") and word.split("=")[0] not in known]
        if unknown:
            raise InputError(f"there is no flag {unknown[0]}{nearest(unknown[0].split('=')[0], known)}")
        raise InputError(message)

    parser.error = refuse  # type: ignore[method-assign]
    flags = parser.parse_intermixed_args(list(argv))
    _refuse_contradictions(flags)
    path = package_configs()
    if flags.config_path is not None:
        path = Path(flags.config_path).absolute()
        if not path.is_dir():
            raise InputError(f"--config-path {flags.config_path}: there is no such folder")
    config_dir = extra_configs(flags.config_dir) if flags.config_dir is not None else None
    lines = [literal(line) for line in flags.overrides]
    return Request(lines, flags, path, flags.config_name or schema.main, config_dir, schema)


def literal(line: str) -> str:
    """The override with the quotes that Hydra wants around unusual letters; `resume=`, `run=`, `out=` and
    `….folder=` take any path.

    >>> literal("resume=runs (old)/1"), literal("resume=outputs/a"), literal("loss=("), literal("name=für")
    ("resume='runs (old)/1'", 'resume=outputs/a', 'loss=(', "name='für'")
    """
    key, _, value = line.partition("=")
    if key in _PATHS:
        plain = value[:1] in ("'", '"') or re.fullmatch(r"[\w./~-]*", value, re.ASCII)
    else:  # what means something to Hydra's grammar, or nothing unusual in it
        plain = re.search(r"[][(){},$'\"\\]", value) or re.fullmatch(r"[\w ./:=+%*@?|-]*", value, re.ASCII)
    return line if plain else f"{key}={quoted(value)}"


def quoted(text: str) -> str:
    """The text in the quotes of Hydra's grammar, in which quotes and backslashes need an escape."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _refuse_contradictions(flags: argparse.Namespace) -> None:
    modes = {
        "--run": flags.run,
        "--multirun": flags.multirun,
        "--cfg": flags.cfg,
        "--info": flags.info,
        "--shell-completion": flags.shell_completion,
    }
    chosen = [name for name, value in modes.items() if value]
    if len(chosen) > 1:
        raise InputError(f"{' and '.join(chosen)} cannot go together: choose one")
    if flags.resolve and not flags.cfg:
        raise InputError("--resolve goes with --cfg only")
