"""Measures of the generator while it trains."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_cli.data.base import Distribution
from gan_cli.data.download import one_line
from gan_cli.metrics.base import Measured, Metric
from gan_cli.metrics.directions import BETTER as BETTER
from gan_cli.metrics.modes import ModeCoverage, mode_coverage
from gan_cli.metrics.spread import mean_distance
from gan_cli.observers import evaluations
from gan_cli.observers.base import Observer, Run
from gan_cli.observers.examples import generate, latent_examples, real_examples, subject
from gan_cli.observers.logfile import LOGGER
from gan_cli.observers.recorder import Recorder, to_host
from gan_cli.types import State, Trace

POINTS, IMAGES = 2500, 512
_PURPOSE = "evaluation"


def metrics(run: Run) -> tuple[str, ...]:
    """The names of what is measured for a run's data."""
    known = ModeCoverage._fields if isinstance(run.data, Distribution) else ()
    more = [name for metric in run.metrics.values() for name in metric.names]
    return tuple(f"{_PURPOSE}/{name}" for name in (*known, "spread", *more))


class Evaluation(Observer):
    """Draws fresh samples every `evaluate_every` steps and adds "evaluation/…" to the record of that step.

    2500 points or 512 images: the spread of all data, and the modes covered where they are known; and what
    each of the run's metrics measures, whose last numbers evaluation.json keeps too. Its turn is before the
    recorder's.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._real: Tensor | None = None

    def start(self, run: Run, state: State) -> None:
        self._run = run
        self._n = IMAGES if run.dataset.kind == "image" else POINTS

    def after(self, step: int, state: State, traces: dict[str, Trace]) -> None:
        if self._run.due(self._run.settings.evaluate_every, step):
            self._evaluate(step, state)

    def _evaluate(self, step: int, state: State) -> None:
        run, values = self._run, self.always(step, state)
        found = {name: self._measured(name, metric, step, state) for name, metric in run.metrics.items()}
        for measured in found.values():
            values |= measured.values
        self._recorder.add(to_host({f"{_PURPOSE}/{k}": value for k, value in values.items()}))
        for name, picture in evaluations.pictures(found, run.dataset.pixel_range).items():
            self._recorder.picture(name, step, picture)
        if step == run.steps and found:
            entries = [self._entry(name, measured, step) for name, measured in found.items()]
            evaluations.record(run.folder, entries)
            for entry in entries:
                numbers = ", ".join(f"{name} {value:.6g}" for name, value in entry["values"].items())
                LOGGER.info("%s: %s (%s)", entry["metric"], numbers, entry["about"])

    def _measured(self, name: str, metric: Metric, step: int, state: State) -> Measured:
        """What the metric finds, or NaN where it fails: no measurement ends a training."""
        try:
            return metric.measure(subject(self._run, state, step))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            LOGGER.warning("step %d: metric=%s failed: %s", step, name, one_line(error))
            return Measured(dict.fromkeys(metric.names, torch.tensor(torch.nan, device=self._run.device)))

    def _entry(self, name: str, measured: Measured, step: int) -> evaluations.Entry:
        run = self._run
        settings = run.config["metric"][name]
        return evaluations.entry(name, run.metrics[name], measured, settings, step, run.seed)

    @torch.no_grad()
    def always(self, step: int, state: State) -> dict[str, Tensor]:
        """What is cheap enough for every run, each []; `step` names the stream of the latents."""
        if self._real is None:
            self._real = mean_distance(real_examples(self._run, self._n, "evaluation/real"))
        fake = generate(self._run, state, latent_examples(self._run, self._n, _PURPOSE, step))
        values = {"spread": mean_distance(fake) / self._real}
        data = self._run.data
        if isinstance(data, Distribution):
            there = data.to(fake.device)
            values |= mode_coverage(fake, there.modes, there.scale, there.weights)._asdict()
        return values
