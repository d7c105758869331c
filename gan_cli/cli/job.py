"""One run, as Hydra starts it: build, train, and say where it is and how to go on with it."""

from __future__ import annotations

import fcntl
import logging
import os
import shlex
import signal
import stat
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from gan_cli.cli import output, report
from gan_cli.cli.compose import plain, register_resolvers
from gan_cli.cli.folders import package_configs
from gan_cli.cli.output import program, shown
from gan_cli.errors import InputError, RunError
from gan_cli.schema import TRAIN, Schema, check

LOG = "train.log"
_failed: list[str] = []  # the sweep's jobs that failed in this process
_sweeps: set[Path] = set()  # the folders of the sweeps whose jobs ran in it
register_resolvers()  # here too, since a launcher's worker imports nothing else


class Stop:
    """Asks the loop to end after its current step once a signal came; a second one ends at once."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __call__(self) -> bool:
        return self.signal is not None

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
        if number == signal.SIGHUP:
            _leave_terminal()
        print("stopping after this step; once more to stop at once", file=sys.stderr)

    @contextmanager
    def installed(self) -> Iterator[Stop]:
        """Catch the signals for the length of the block."""
        # A launcher's thread gets no signals, and may not ask for them.
        main_thread = threading.current_thread() is threading.main_thread()
        numbers = [signal.SIGINT, signal.SIGTERM] if main_thread else []
        if main_thread and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
            numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._caught) for number in numbers}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _leave_terminal() -> None:
    """Send what is still printed nowhere, where it went to a terminal: that one is gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        if stat.S_ISCHR(os.fstat(number).st_mode):
            os.dup2(nowhere, number)
    os.close(nowhere)


def experiment(config: dict[str, Any]) -> Any:
    """The experiment of a config that passed the schema, checked against its targets. Imports torch."""
    from gan_cli import configuration
    from gan_cli.build import build

    return build(OmegaConf.create(configuration.check(config)))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run's folder against a second process. Raises InputError where another one holds it."""
    with (folder / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"resume={shown(folder)}: that run is still going on in another process"
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


def train(config: DictConfig) -> None:
    """Train one job in the folder that Hydra made for it. Raises GanTrainError; SystemExit after a signal."""
    from gan_cli.cli.series import run_study, study
    from gan_cli.run import run

    folder = Path(HydraConfig.get().runtime.output_dir)
    checked = check(plain(config))
    if checked["resume"] is None and output.has_checkpoints(folder):
        raise output.taken(folder)
    built, series = experiment(checked), study(checked)
    with locked(folder), warnings_in(folder / LOG), Stop().installed() as stop:
        print(f"run: {shown(folder)}", flush=True)
        try:
            if series is not None:
                steps, outcome = built.steps, run_study(series, folder, experiment, stop)
            else:
                steps, outcome = run(built, folder, resume=checked["resume"] is not None, stop=stop)
        except KeyboardInterrupt:
            steps, outcome = 0, "stopped"
    if outcome == "done":
        print(f"done: {'the study' if series else f'{steps} steps'} in {shown(folder)}")
        looked_at = folder
        if HydraConfig.get().mode == RunMode.MULTIRUN:  # all runs together are what one looks at
            looked_at = folder.parent
            _sweeps.add(looked_at)
        print(f"look at it with: {_command('tensorboard', '--logdir', shown(looked_at))}", flush=True)
    else:
        print(f"resume with: {_command('gan-train', f'resume={shown(folder)}')}", flush=True)
    if stop.signal is not None:
        sys.exit(128 + stop.signal)  # no Exception, so that it ends a whole sweep


def _command(name: str, *words: str) -> str:
    """A command as a user would type it."""
    return shlex.join([program(name), *words])


@hydra.main(version_base="1.3", config_path=str(package_configs()), config_name=TRAIN.main)
def main(config: DictConfig) -> None:
    """Hydra's task function: `train` in its folder."""
    guarded(train, config, TRAIN)


def guarded(
    work: Callable[[DictConfig], None], config: DictConfig, schema: Schema, log_name: str = LOG
) -> None:
    """Do a job whose failure is told in one line and stops no other job of a sweep."""
    try:
        work(config)
    except Exception as error:
        settings = HydraConfig.get()
        log = Path(settings.runtime.output_dir) / log_name
        with suppress(OSError), log.open("a", encoding="utf-8") as file:
            file.write(traceback.format_exc())
        if settings.mode != RunMode.MULTIRUN:
            code = report.told(error, log, command=schema.command)
            if isinstance(error, InputError) and config.get("resume") is None:
                output.remove_unused(log.parent)
            # Not the exception itself: Hydra would print a line of its own before handing it on.
            sys.exit(code)
        report.told(error, log, f"job {settings.job.num}: ", schema.command)
        _failed.append(str(settings.job.num))
        raise


def hand_over(argv: list[str], task: Callable[[], None] = main) -> None:
    """Run Hydra's own main on a command line that was checked; its errors are raised, not printed."""
    sys.argv[1:] = argv
    os.environ["HYDRA_FULL_ERROR"] = "1"
    _failed.clear()
    _sweeps.clear()
    try:
        task()
    except Exception as error:
        if _failed:
            raise RunError(f"failed in the sweep: job {', '.join(_failed)}; see above") from error
        raise
    finally:
        for sweep in _sweeps:
            print(f"compare them with: {_command('gan-compare', shown(sweep))}", flush=True)


def answered_by_hydra(argv: list[str], schema: Schema) -> None:
    """Let Hydra answer a flag such as --cfg for a command that is none of its jobs; nothing is started."""
    start = hydra.main(version_base="1.3", config_path=str(package_configs()), config_name=schema.main)
    hand_over(argv, start(lambda config: None))
