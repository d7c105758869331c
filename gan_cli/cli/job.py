"""One run, as Hydra starts it: build, train, and say where it is and how to go on with it."""

from __future__ import annotations

import fcntl
import logging
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from gan_cli.cli import failures, output, report, standing, torchrun
from gan_cli.cli.compose import plain, register_resolvers
from gan_cli.cli.folders import package_configs
from gan_cli.cli.output import program, shown
from gan_cli.cli.program import make_importable_again
from gan_cli.cli.stopping import Stop
from gan_cli.errors import InputError
from gan_cli.schema import TRAIN, Schema, check

LOG = "train.log"
T = TypeVar("T")
_failed: list[str] = []  # the sweep's jobs that failed in this process
_sweeps: set[Path] = set()  # the folders of the sweeps whose jobs ran in it
register_resolvers()  # here too, since a launcher's worker imports nothing else


def experiment(config: dict[str, Any]) -> Any:
    """The experiment of a config that passed the schema, checked against its targets. Imports torch."""
    from gan_cli import configuration
    from gan_cli.build import build

    return build(OmegaConf.create(configuration.check(config)))


@contextmanager
def locked(folder: Path, key: str = "resume", what: str = "run") -> Iterator[None]:
    """Hold the folder that `key` names against a second process. Raises InputError where one holds it."""
    with (folder / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{key}={shown(folder)}: that {what} is still going on in another process"
            ) from None
        except OSError:  # a file system without locks
            logging.getLogger(__name__).warning("this file system keeps no locks")
        yield


@contextmanager
def warnings_in(log: Path) -> Iterator[None]:
    """Python's warnings go to the run's log instead of the terminal, for the length of the block."""
    handler, logger = logging.FileHandler(log, delay=True), logging.getLogger("py.warnings")
    logging.captureWarnings(True)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
        logging.captureWarnings(False)


def train(config: DictConfig) -> float | None:
    """Train one job in the folder that Hydra made for it; what a search is told of it.

    Raises GanTrainError; SystemExit after a signal.
    """
    from gan_cli.cli import pruning, search
    from gan_cli.cli.series import run_study, study
    from gan_cli.run import run

    folder = Path(HydraConfig.get().runtime.output_dir)
    failures.forget(folder)
    checked = check(plain(config))
    goes_on = checked["resume"] is not None or failures.requeued()
    if not goes_on and output.has_checkpoints(folder):
        raise output.taken(folder)
    built, series = experiment(checked), study(checked)
    swept = HydraConfig.get().mode == RunMode.MULTIRUN
    rules = pruning.of(checked, built) if swept else []
    torchrun.announce(checked)
    with locked(folder), warnings_in(folder / LOG), Stop().installed() as stop:
        standing.begin(folder)
        print(f"run: {shown(folder)}", flush=True)
        try:
            if series is not None:
                steps, outcome = built.steps, run_study(series, folder, experiment, stop)
            else:
                steps, outcome = run(
                    built, folder, goes_on, lambda: stop() or any(rule.pruned for rule in rules), then=rules
                )
        except KeyboardInterrupt:
            steps, outcome, stop.signal = 0, "stopped", stop.signal or signal.SIGINT
    conclude(folder, "the study" if series else f"{steps} steps", done=outcome == "done")
    if stop.signal is not None:
        sys.exit(128 + stop.signal)  # no Exception, so that it ends a whole sweep
    return search.reached(folder, checked)


def conclude(folder: Path, what: str, done: bool) -> None:
    """Say that `what` was done in the folder and how to look at it or, if it was not, how to go on."""
    if not done:
        print(f"resume with: {_command('gan-train', f'resume={shown(folder)}')}", flush=True)
        return
    print(f"done: {what} in {shown(folder)}")
    looked_at = folder
    if HydraConfig.get().mode == RunMode.MULTIRUN:  # all runs together are what one looks at
        looked_at = folder.parent
        _sweeps.add(looked_at)
    print(f"look at it with: {_command('tensorboard', '--logdir', shown(looked_at))}", flush=True)


def _command(name: str, *words: str) -> str:
    """A command as a user would type it."""
    return shlex.join([program(name), *words])


@hydra.main(version_base="1.3", config_path=str(package_configs()), config_name=TRAIN.main)
def main(config: DictConfig) -> float | None:
    """Hydra's task function: `train` in its folder."""
    return guarded(train, config, TRAIN)


def guarded(work: Callable[[DictConfig], T], config: DictConfig, schema: Schema, log_name: str = LOG) -> T:
    """Do a job whose failure is told in one line and stops no other job of a sweep."""
    settings = HydraConfig.get()
    make_importable_again(settings.runtime)
    try:
        return work(config)
    except Exception as error:
        log = Path(settings.runtime.output_dir) / log_name
        if settings.mode != RunMode.MULTIRUN:
            _write_traceback(error, log)
            code = report.told(error, log, command=schema.command)
            if isinstance(error, InputError) and config.get("resume") is None:
                output.remove_unused(log.parent)
            sys.exit(code)  # not the exception: Hydra would print a line of its own before handing it on
        tell_failed(error, log, settings.job.num, schema)
        raise


def tell_failed(error: Exception, log: Path, job: int, schema: Schema = TRAIN) -> None:
    """Tell at once that a job of a sweep has failed, and remember it for the sweep's own end."""
    _write_traceback(error, log)
    report.told(error, log, f"job {job}: ", schema.command)
    failures.note(log.parent, job, report.described(error, log)[0])
    _failed.append(str(job))


def _write_traceback(error: Exception, log: Path) -> None:
    with suppress(OSError), log.open("a", encoding="utf-8") as file:
        file.write("".join(traceback.format_exception(error)))


def hand_over(
    argv: list[str], task: Callable[[], Any] = main, sweep: Path | None = None, tells: bool = False
) -> None:
    """Run Hydra's own main on a command line that was checked; its errors are raised, not printed.

    sweep: the folder of the sweep, where it is one; tells: its launcher itself says how jobs end that it
    runs in other processes. Raises RunError where a job failed, here or elsewhere.
    """
    sys.argv[1:] = argv
    os.environ["HYDRA_FULL_ERROR"] = "1"
    _failed.clear()
    _sweeps.clear()
    cause: Exception | None = None
    try:
        task()
    except Exception as error:  # noqa: BLE001 - it is raised below
        cause = failures.of_engine(error, sweep)
    finally:
        if sweep is not None and not tells and any(sweep.rglob("summary.json")):
            _sweeps.add(sweep.absolute())
        for folder in _sweeps:
            print(f"compare them with: {_command('gan-compare', shown(folder))}", flush=True)
    elsewhere = failures.elsewhere(sweep, _failed, tells) if sweep is not None else []
    if (_failed or elsewhere) and not (tells and cause is not None and not _failed):
        raise failures.of_sweep([*_failed, *elsewhere], cause) from cause
    if cause is not None:
        raise cause


def answered_by_hydra(argv: list[str], schema: Schema) -> None:
    """Let Hydra answer a flag such as --cfg for a command that is none of its jobs; nothing is started."""
    start = hydra.main(version_base="1.3", config_path=str(package_configs()), config_name=schema.main)
    hand_over(argv, start(lambda config: None))
