"""A study as a job: built from its config, and given its desk. Imports torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from gan_cli import configuration
from gan_cli.cli.compose import plan
from gan_cli.cli.request import parse
from gan_cli.cli.resume import merge
from gan_cli.cli.standing import DONE
from gan_cli.errors import RunError
from gan_cli.instantiation import make
from gan_cli.observers.base import Outcome
from gan_cli.studies.base import Desk, Study


def study(config: dict[str, Any]) -> Study | None:
    """The study of a config that passed the schema, None if it is of a single run. Raises InputError."""
    if config["study"] is None:
        return None
    checked = OmegaConf.create(configuration.check({"study": config["study"]}))
    made: Study = make("study", checked.study, Study)
    return made


def run_study(
    series: Study,
    folder: Path,
    experiment: Callable[[dict[str, Any]], Any],
    stop: Callable[[], bool],
) -> Outcome:
    """Do the study in its folder; each of its settings is this command line under further overrides."""
    settings = HydraConfig.get()
    sources = [s.path for s in settings.runtime.config_sources if s.provider == "command-line"]
    flags, own = [f"--config-dir={path}" for path in sources], list(settings.overrides.task)

    def setting(*more: str) -> Any:
        return experiment(plan(parse([*flags, *merge(own, more)])).jobs[0].config)

    try:
        series.run(Desk(folder, setting, say=lambda line: print(line, flush=True), stop=stop))
    except RunError:
        if not stop():
            raise
        return "stopped"
    (folder / DONE).touch()
    return "done"
