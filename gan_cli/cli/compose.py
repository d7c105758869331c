"""Composing the config of every job that a command line stands for, and refusing what is wrong in it.

Hydra composes once more when it runs the jobs. Doing it before lets every job of a sweep be refused before
the first one starts, and before a folder is made.
"""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from gan_cli.cli import folders, output, overrides, refusals, sweeps
from gan_cli.cli.folders import package_configs
from gan_cli.cli.request import Request
from gan_cli.errors import InputError
from gan_cli.schema import LISTS, TARGET, check


@dataclass(frozen=True)
class Job:
    """One run: its overrides, its checked config in plain containers, and its folder, where that is known."""

    overrides: list[str]
    config: dict[str, Any]
    folder: Path | None


@dataclass(frozen=True)
class Plan:
    """All runs of a command line, its overrides as Hydra is to have them, and its launcher's class.

    Of a sweeper that chooses its jobs as it goes, `jobs` are examples. sweeper: its node in Hydra's config;
    sweep: the folder of the sweep, where it is one.
    """

    overrides: list[str]
    jobs: list[Job]
    multirun: bool
    launcher: str = ""
    sweeper: Mapping[str, Any] = field(default_factory=dict)
    sweep: Path | None = None


def register_resolvers() -> None:
    """Make `${run_label:name}` known: eight random hex digits after the name, the same within one config."""

    def label(name: object = None) -> str:
        word = "".join(c if c.isalnum() or c in "._-" else "_" for c in str(name or ""))
        return f"{word}-{secrets.token_hex(4)}".lstrip("-.")

    OmegaConf.register_new_resolver("run_label", label, use_cache=True, replace=True)


def plan(request: Request) -> Plan:
    """Compose and check every job of the request. Raises InputError for the first thing that is wrong."""
    register_resolvers()
    with _hydra(request) as hydra:
        composer = Composer(hydra.config_loader, request)
        lines = overrides.read(request.overrides, composer.options, request.schema)
        try:
            fixed, config = _fixed(composer, lines)
        except InputError:
            if not request.multirun:
                raise
            lines = sweeps.bound(lines)
            fixed, config = _fixed(composer, lines)
        swept = [line for line in lines if line not in fixed]
        multirun = request.multirun or config.hydra.mode == RunMode.MULTIRUN
        for line in swept:
            if line.startswith("hydra"):
                raise InputError(f"{line}: a sweep goes over the run's settings, not over Hydra's own")
        if not multirun:
            if swept:
                raise InputError(
                    f"{swept[0]} stands for several runs: add --multirun, or write a list as [a,b]"
                )
            return Plan(lines, [composer.job(fixed, config)], multirun)
        jobs = [composer.job(job, number=n) for n, job in enumerate(sweeps.jobs(config.hydra.sweeper, lines))]
        if not jobs:
            raise InputError(f"{' '.join(swept)} stands for no run at all")
        sweeper = _keyed(OmegaConf.to_container(config.hydra.sweeper))
        launcher = str(config.hydra.launcher.get(TARGET))
        return Plan(lines, jobs, multirun, launcher, sweeper, output.sweep_of(config))


def _fixed(composer: Composer, lines: list[str]) -> tuple[list[str], DictConfig]:
    """The overrides that all jobs share, and the config that they make. Raises InputError."""
    parsed = OverridesParser.create().parse_overrides(lines)
    fixed = [line for line, p in zip(lines, parsed, strict=True) if not p.is_sweep_override()]
    return fixed, composer.compose(fixed)


@contextmanager
def _hydra(request: Request) -> Iterator[Hydra]:
    """Hydra as its own main() sets it up, for the length of the block."""
    path = create_config_search_path(str(request.config_path))
    if request.config_dir is not None:
        anchor = SearchPathQuery(provider="schema")
        path.prepend(provider="command-line", path=f"file://{request.config_dir}", anchor=anchor)
    GlobalHydra.instance().clear()
    try:
        with warnings.catch_warnings():
            # Hydra only warns of a search path that is not there; the options in it would then be missing.
            warnings.filterwarnings("error", message=".*is not available")
            yield Hydra.create_main_hydra2(task_name=request.schema.command, config_search_path=path)
    finally:
        GlobalHydra.instance().clear()


class Composer:
    """Composes lists of overrides with one loader."""

    def __init__(self, loader: Any, request: Request) -> None:
        self.loader: ConfigLoaderImpl = loader
        self.name, self.schema = request.config_name, request.schema
        self.hydra_lines = [line for line in request.overrides if line.startswith("hydra.searchpath")]
        with refusals.one_line():
            files = self.loader._parse_overrides_and_create_caching_repo(self.name, self.hydra_lines)[1]
        groups = [group for group in folders.hydra_groups(files, "") if group != "hydra"]
        self.options = self.schema.options({group: folders.hydra_options(files, group) for group in groups})

    def compose(self, lines: Sequence[str]) -> DictConfig:
        """The config with Hydra's own node. Raises InputError."""
        with refusals.one_line(lambda: self._blame(lines)):
            return self.loader.load_configuration(self.name, list(lines), RunMode.RUN)

    def job(self, lines: list[str], config: DictConfig | None = None, number: int | None = None) -> Job:
        """The checked job of these overrides, of a sweep the one of that number. Raises InputError."""
        config = self.compose(lines) if config is None else config
        self._refuse_strangers(lines, config)
        return Job(list(lines), check(plain(config), self.schema), output.folder_of(config, number))

    def _choices(self, lines: Sequence[str], config: DictConfig) -> list[str]:
        """The overrides that choose the same options without naming an experiment or a value."""
        tree = self.loader.compute_defaults_list(self.name, list(lines), RunMode.RUN).defaults
        paths = [d.config_path for d in tree if d.parent == self.name and d.config_path]
        several = []
        for many in (group for group in LISTS if group in self.options):
            chosen = [path.split("/", 1)[1] for path in paths if path.startswith(f"{many}/")]
            several.append(f"{many}=[{','.join(chosen)}]")
        left_out = ("experiment", *LISTS)
        known = [group for group in self.options if group not in left_out]
        choices = config.hydra.runtime.choices.items()
        single = [f"{k}={v}" for k, v in choices if k.rpartition("@")[2] in known and v]
        return [*single, *several, *self.hydra_lines]

    def _refuse_strangers(self, lines: list[str], config: DictConfig) -> None:
        """Refuse keys that an experiment or a `+` brought in and no option of the groups has."""
        if config.hydra.runtime.choices.get("experiment") is None and not any(
            x.startswith("+") for x in lines
        ):
            return
        base = self.compose(self._choices(lines, config))
        given = [many for many in LISTS if any(line.startswith(f"{many}=") for line in lines)]
        refusals.strangers(config, base, self.options, given)

    def _blame(self, lines: Sequence[str]) -> str | None:
        """What is wrong with the first override whose key is not in the config that the others make."""
        parsed = OverridesParser.create().parse_overrides(list(lines))
        in_groups = [
            o for o in parsed if o.key_or_group in self.options or "/" in o.key_or_group or o.package
        ]
        base = self.loader.load_configuration(self.name, [str(o.input_line) for o in in_groups], RunMode.RUN)
        for override in parsed:
            if override in in_groups or override.is_force_add():
                continue
            line, key = str(override.input_line), override.key_or_group
            found = overrides.unknown(key, base, self.options)
            if override.is_add():
                found = None if found is not None else f"{key} is there already; write {line[1:]}"
            if found is not None:
                return f"{line}: {found}"
        return None


def plain(config: DictConfig) -> dict[str, Any]:
    """The job's config without Hydra's node, resolved, in plain containers. Raises InputError."""
    with _hydra_config(config), refusals.one_line():
        job = config.copy()
        with open_dict(job):
            job.pop("hydra", None)
        container = OmegaConf.to_container(job, resolve=True, throw_on_missing=True)
        chosen = HydraConfig.get().runtime.choices.get("experiment")
    return _keyed(container if chosen is None else _without_leftovers(container))


def saved(file: Path) -> dict[str, Any]:
    """The checked config of an earlier run, from its config.yaml."""
    register_resolvers()
    with refusals.one_line():
        container = OmegaConf.to_container(OmegaConf.load(file), resolve=True)
    if not isinstance(container, dict):
        raise InputError(f"{output.shown(file)} is damaged: it holds no settings")
    # What came later than the run is empty in it, or as it is by default.
    later: dict[str, Any] = {many: {} for many in LISTS}
    later |= {"keep_best": None, "prune": None, "prune_warmup": 0}
    found = later | _keyed(_without_leftovers(container))
    usual = OmegaConf.to_container(OmegaConf.load(package_configs() / "runtime/default.yaml"))
    if isinstance(usual, dict) and isinstance(found.get("runtime"), dict):
        found["runtime"] = usual | found["runtime"]
    return check(found)


@contextmanager
def _hydra_config(config: DictConfig) -> Iterator[None]:
    """Let `${hydra:...}` read the Hydra node of the config or, where it has none, of the job at work."""
    hydra = HydraConfig.instance()
    before = hydra.cfg
    if "hydra" in config:
        hydra.set_config(config)
    try:
        yield
    finally:
        hydra.cfg = before


def _keyed(container: Any) -> dict[str, Any]:
    return {str(key): value for key, value in container.items()}


def _without_leftovers(container: Any) -> Any:
    """The config without what an experiment set for tricks or metrics that the command line did not choose.

    Where that is a mistake it was refused before, by `refusals.strangers`.
    """
    for many in LISTS:
        several = container.get(many)
        if isinstance(several, dict):
            kept = [name for name, node in several.items() if not isinstance(node, dict) or TARGET in node]
            container = container | {many: {name: several[name] for name in kept}}
    return container
