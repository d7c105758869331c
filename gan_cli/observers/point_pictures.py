"""Generated points against real ones, and the critic's opinion of the space between."""

from __future__ import annotations

import torch

from gan_cli.data.base import Distribution
from gan_cli.observers.base import Observer, Run
from gan_cli.observers.examples import generate, latent_examples, real_examples
from gan_cli.observers.plots import LIMIT, Field, Frame, densities, scatter
from gan_cli.observers.raster import Array
from gan_cli.observers.recorder import Picture, Recorder
from gan_cli.types import State, Trace

_REAL_POINTS, _FAKE_POINTS, _REAL_NUMBERS = 2000, 1000, 20000
_SIDE = {1: 400, 2: 64}
"""Points on a side of the mesh on which the critic is drawn, by dimension."""


class PointPictures(Observer):
    """Every `sample_every` steps a plot of generated points from fixed latents against real ones.

    In one dimension the densities and the critic below them; in two the points over the critic; in more their
    first two coordinates. The critic is drawn as the ln p/q that it stands for, or as it is
    where it holds none.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def start(self, run: Run, state: State) -> None:
        self._run = run
        self._dimensions = run.dataset.shape[0]
        few = self._dimensions > 1
        self._real = real_examples(run, _REAL_POINTS if few else _REAL_NUMBERS, "samples/real")
        self._frame = Frame.around(self._real)
        self._latent = latent_examples(run, _FAKE_POINTS if few else 5 * _FAKE_POINTS, "samples")

    def after(self, step: int, state: State, traces: dict[str, Trace]) -> None:
        if self._run.due(self._run.settings.sample_every, step):
            self._recorder.picture("samples", step, self._plot(step, state))

    @torch.no_grad()
    def _plot(self, step: int, state: State) -> Picture:
        fake = generate(self._run, state, self._latent)
        title = f"step {step}"
        field = self._field(state) if self._dimensions <= 2 else None
        if self._dimensions == 1:
            return densities(self._real, fake, self._density(), field, self._frame, title)
        return scatter(self._real, fake, field, self._frame, title)

    def _field(self, state: State) -> Field | None:
        mesh = self._frame.mesh(_SIDE[self._dimensions]).to(self._real)
        critique = self._run.learner.critique(state, mesh)
        if critique is None:
            return None
        # A score past what any ratio gives stands for ±∞, which a colour scale would leave blank.
        values = critique.values.clamp(-LIMIT, LIMIT) if critique.is_log_ratio else critique.values
        return Field(values.float().cpu().numpy(), critique.is_log_ratio)

    def _density(self) -> Array | None:
        if not isinstance(self._run.data, Distribution):
            return None
        return self._run.data.log_density(self._frame.mesh(_SIDE[1]).double()).exp().cpu().numpy()
