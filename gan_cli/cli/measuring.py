"""What `gan-eval` does: open each run, measure its generator, keep the findings beside it, show them."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from tensorboard.compat.proto.summary_pb2 import Summary

from gan_cli import build, configuration, runtime
from gan_cli.cli import findings, finished, report, resume
from gan_cli.cli.compose import saved
from gan_cli.cli.job import locked
from gan_cli.cli.output import shown
from gan_cli.errors import InputError
from gan_cli.files import write_atomic
from gan_cli.metrics.base import Direction, Measured, Metric, Subject
from gan_cli.observers import evaluations
from gan_cli.observers.base import Run
from gan_cli.observers.evaluation import BETTER, IMAGES, POINTS, Evaluation, metrics
from gan_cli.observers.events import EventFile
from gan_cli.observers.examples import subject
from gan_cli.observers.recorder import Picture, Recorder
from gan_cli.schema import EVALUATE
from gan_cli.streams import Streams
from gan_cli.types import State

PICTURES, PREFIX = "evaluation", "gan_eval"
ALWAYS = "always"
_PATIENCE = 2.0
"""Seconds after which whoever holds a run's folder is taken for its training, not for another gan-eval."""


class Always(Metric):
    """What every run measures without being asked, of one state of it."""

    def __init__(self, run: Run, state: State) -> None:
        self._run, self._state, self._evaluation = run, state, Evaluation(Recorder([]))
        self._evaluation.start(run, state)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name.rpartition("/")[2] for name in metrics(self._run))

    @property
    def about(self) -> str:
        count = f"{IMAGES} images" if self._run.dataset.kind == "image" else f"{POINTS} points"
        return (
            f"{count}, drawn afresh; spread: their mean distance over that of as many real ones, 1 is right"
        )

    @property
    def better(self) -> dict[str, Direction]:
        return {name: BETTER[name] for name in self.names if name in BETTER}

    def measure(self, subject: Subject) -> Measured:
        return Measured(self._evaluation.always(subject.step, self._state))


@dataclass
class Round:
    """The runs of one command, what was found, and what went wrong."""

    config: Mapping[str, Any]
    found: list[findings.Finding] = field(default_factory=list)
    failed: list[BaseException] = field(default_factory=list)
    threads: int = field(default_factory=torch.get_num_threads)

    def tell(self, error: Exception, where: str) -> None:
        """Say in one line what cannot be done, and go on."""
        prefix = "" if where in str(error) else f"{where}: "
        report.told(error, prefix=prefix, command=EVALUATE.command)
        self.failed.append(error)

    @property
    def code(self) -> int:
        """0; 1 where something failed; 2 where it was all that was asked for, and the user's to mend."""
        theirs = all(isinstance(error, InputError) for error in self.failed)
        return 0 if not self.failed else InputError.exit_code if theirs and not self.found else 1


def evaluate(config: Mapping[str, Any]) -> int:
    """Measure every run that the config names; the exit code. Raises InputError where it names none."""
    configuration.check({"metric": config["metric"]})
    runtime.device(config["device"])
    runs, asked = _runs(config["run"]), Round(config)
    try:
        for number, folder in enumerate(runs, start=1):
            if len(runs) > 1:
                print(f"{number}/{len(runs)} {shown(folder)}", file=sys.stderr, flush=True)
            try:
                _run(folder, asked)
            except Exception as error:  # noqa: BLE001 - what one run cannot do is no matter of the others
                asked.tell(error, shown(folder))
    finally:
        findings.show(asked.found)
    return asked.code


def _runs(name: str) -> list[Path]:
    folder = Path(name).expanduser().absolute()
    return finished.runs_below(folder) or [resume.find(name, "run").folder]


def _run(folder: Path, asked: Round) -> None:
    """Measure one run, metric by metric, and keep what is found."""
    config = asked.config
    opened = finished.opened(str(folder), config["checkpoint"], config["device"])
    torch.set_num_threads(config["threads"] or opened.experiment.threads or asked.threads)
    run, own = opened.run, saved(resume.find(str(folder)).settings / "config.yaml")["metric"]
    if config["seed"] is not None:
        run = replace(run, seed=config["seed"], streams=Streams(config["seed"], run.device))
    # What nobody has asked for is what the run itself has measured.
    chosen: Mapping[str, Any] = config["metric"] or {ALWAYS: {}, **own}
    board: list[Summary.Value] = []
    for name, settings in chosen.items():
        try:
            metric = _metric(name, settings, opened, run)
            metric.preflight()
            found = metric.measure(subject(run, opened.state, opened.step))
            entry = evaluations.entry(name, metric, found, settings, opened.step, run.seed, opened.file.name)
            pictures = evaluations.pictures({name: found}, run.dataset.pixel_range)
            _keep(folder, entry, pictures)
            asked.found.append((shown(folder), entry))
            board += _values(entry, pictures)
        except Exception as error:  # noqa: BLE001 - nor is one metric of the others
            named = len(chosen) == 1 or f"metric.{name}" in str(error)
            asked.tell(error, shown(folder) if named else f"{shown(folder)}, {name}")
    if board and not _show(folder, opened.step, board):
        where = f"{shown(folder)} is being trained: its TensorBoard file is left to that"
        print(f"{EVALUATE.command}: {where}", file=sys.stderr, flush=True)


def _metric(name: str, settings: Mapping[str, Any], opened: finished.Opened, run: Run) -> Metric:
    if name == ALWAYS and not settings:
        return Always(run, opened.state)
    experiment, checked = opened.experiment, configuration.check({"metric": {name: settings}})
    config = OmegaConf.create({**experiment.config, **checked})
    return build.metrics(config, experiment.dataset, experiment.plain)[name]


# --- beside the run ---------------------------------------------------------------------------------------


def _keep(folder: Path, entry: evaluations.Entry, pictures: Mapping[str, Picture]) -> None:
    """evaluation.json, and the pictures as files."""
    evaluations.record(folder, [entry])
    for name, picture in pictures.items():
        write_atomic(folder / PICTURES / f"{name}_{entry['step']:06d}.png", picture.png)


def _values(entry: evaluations.Entry, pictures: Mapping[str, Picture]) -> Iterator[Summary.Value]:
    """Scalars and pictures as TensorBoard has them."""
    for name, value in entry["values"].items():
        yield Summary.Value(tag=f"{PREFIX}/{name}", simple_value=value)
    for name, picture in pictures.items():
        image = Summary.Image(
            encoded_image_string=picture.png, width=picture.width, height=picture.height, colorspace=3
        )
        yield Summary.Value(tag=f"{PREFIX}/{name}", image=image)


def _show(folder: Path, step: int, values: Sequence[Summary.Value]) -> bool:
    """Add the values to the run's own event file, in place of earlier ones of that step, unless the run is
    being trained; whether it is not."""
    with _alone(folder) as alone:
        if alone:
            file = EventFile(folder, sys.maxsize, replaced=[(value.tag, step) for value in values])
            try:
                file.add(step, Summary(value=values))
                file.sync()
            finally:
                file.close()
    return alone


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Hold the run's folder for the length of the block; whether that was possible."""
    end = time.monotonic() + _PATIENCE
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(locked(folder))
                alone = True
                break
            except InputError:
                alone = False
                if time.monotonic() > end:
                    break
                time.sleep(0.05)
        yield alone
