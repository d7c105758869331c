"""Generated images, to look at: the same latents at every step, the real thing once."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_cli.observers.base import Observer, Run
from gan_cli.observers.canvas import grid_side, image_grid
from gan_cli.observers.examples import generate, latent_examples, real_examples
from gan_cli.observers.recorder import Recorder
from gan_cli.types import State, Trace
from gan_cli.walks import walk

_ROWS, _COLUMNS = 8, 10


class ImagePictures(Observer):
    """A grid from fixed latents, rows of interpolation and the learner's own pictures every `sample_every`
    steps, real images once."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def start(self, run: Run, state: State) -> None:
        self._run = run
        self._range = run.dataset.pixel_range or (0.0, 1.0)
        self._side = grid_side(run.dataset.shape)
        self._latent = latent_examples(run, self._side**2, "samples")
        self._path = self._way() if run.learner.smooth else None  # else there is no way between samples
        self._real = real_examples(run, self._side**2, "samples/real")
        self._recorder.picture("real", None, image_grid(self._real, self._side, self._range))

    def _way(self) -> Tensor:
        """Latents on the way between some pairs, [R·10, Z]."""
        learner = self._run.learner
        start, end = latent_examples(self._run, 2 * min(_ROWS, self._side), "interpolation").chunk(2)
        return walk(start, end, _COLUMNS, "auto", learner.latent_kind, learner.condition).flatten(0, 1)

    def after(self, step: int, state: State, traces: dict[str, Trace]) -> None:
        if self._run.due(self._run.settings.sample_every, step):
            self._draw("samples", step, state, self._latent, self._side)
            if self._path is not None:
                self._draw("interpolation", step, state, self._path, _COLUMNS)
            self._exhibit(step, state)

    def _draw(self, name: str, step: int, state: State, latent: Tensor, columns: int) -> None:
        images = generate(self._run, state, latent)
        self._recorder.picture(name, step, image_grid(images, columns, self._range))

    @torch.no_grad()
    def _exhibit(self, step: int, state: State) -> None:
        run = self._run
        shown = run.learner.exhibits(state, self._real, run.streams.at("exhibits", 0))
        for name, sheet in shown.items():
            self._recorder.picture(name, step, image_grid(sheet.images.float(), sheet.columns, self._range))
