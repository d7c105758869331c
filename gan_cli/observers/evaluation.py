"""Measures of the generator while it trains."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_cli.data.base import Distribution, Table
from gan_cli.metrics.base import Subject
from gan_cli.metrics.modes import ModeCoverage, mode_coverage
from gan_cli.metrics.spread import mean_distance
from gan_cli.observers.base import Observer, Run
from gan_cli.observers.examples import draw_real, generate, latent_examples, real_examples
from gan_cli.observers.recorder import Recorder, to_host
from gan_cli.types import State, Trace

POINTS, IMAGES = 2500, 512
_PURPOSE = "evaluation"


def metrics(run: Run) -> tuple[str, ...]:
    """The names of what is measured for a run's data."""
    known = ModeCoverage._fields if isinstance(run.data, Distribution) else ()
    more = [name for metric in run.metrics for name in metric.names]
    return tuple(f"{_PURPOSE}/{name}" for name in (*known, "spread", *more))


class Evaluation(Observer):
    """Draws fresh samples every `evaluate_every` steps and adds "evaluation/…" to the record of that step.

    2500 points or 512 images: the spread of all data, and the modes covered where they are known; and what
    each of the run's metrics measures. Its turn is before the recorder's.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._real: Tensor | None = None

    def start(self, run: Run, state: State) -> None:
        self._run = run
        self._n = IMAGES if run.dataset.kind == "image" else POINTS

    def after(self, step: int, state: State, traces: dict[str, Trace]) -> None:
        if self._run.due(self._run.settings.evaluate_every, step):
            with self._recorder.aside():
                measured = self.evaluate(step, state)
                self._recorder.add(to_host({f"{_PURPOSE}/{k}": value for k, value in measured.items()}))

    @torch.no_grad()
    def evaluate(self, step: int, state: State) -> dict[str, Tensor]:
        """The measures of a state by name, each []; `step` names the stream of the latents."""
        if self._real is None:
            self._real = mean_distance(real_examples(self._run, self._n, "evaluation/real"))
        fake = generate(self._run, state, latent_examples(self._run, self._n, _PURPOSE, step))
        values = {"spread": mean_distance(fake) / self._real}
        data = self._run.data
        if isinstance(data, Distribution):
            there = data.to(fake.device)
            weights = getattr(there, "weights", None)
            values |= mode_coverage(fake, there.modes, there.scale, weights)._asdict()
        for metric in self._run.metrics:
            values |= metric.measure(self._subject(step, state))
        return values

    def _subject(self, step: int, state: State) -> Subject:
        run = self._run

        def real(generator: torch.Generator, n: int) -> Tensor:
            return draw_real(run, n, generator).float()

        def fake(generator: torch.Generator, n: int) -> Tensor:
            return generate(run, state, run.learner.latents(generator, n))

        examples = len(run.data) if isinstance(run.data, Table) else None
        return Subject(step, tuple(run.dataset.shape), real, fake, examples, run.streams)
