"""How many of Stacked MNIST's thousand modes a generator reaches, and how evenly."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from gan_cli.checks import at_least_one
from gan_cli.data.base import Dataset
from gan_cli.data.stacked_mnist import StackedMNIST, modes_of
from gan_cli.evaluation.classifier import Classifier
from gan_cli.evaluation.features import to_unit
from gan_cli.metrics.base import Direction, Measured, Metric, Subject
from gan_cli.metrics.histogram import histogram_fit, sampling_floor

_AT_ONCE = 1024


class StackedModes(Metric):
    """Modes covered, of 1000, and KL(q‖p) of the samples' histogram over them (Metz et al. 2017, §3.3.1).

    A classifier of MNIST's digits names the digit of every channel; p is the law of the data, the products of
    the digits' shares among the images that the run trains on. samples: 25,600 in the papers.
    classifier_steps: of the classifier's training (see `Classifier`). Both numbers are NaN where a sample is
    not finite. Raises ValueError for other data and for numbers below 1.
    """

    def __init__(self, dataset: Dataset, samples: int = 25_600, classifier_steps: int | None = None) -> None:
        if not isinstance(dataset, StackedMNIST):
            raise ValueError("it counts the modes of data=stacked_mnist alone")
        at_least_one(samples=samples)
        self._dataset, self._samples = dataset, samples
        self._classifier = Classifier(dataset, classifier_steps)

    @property
    def names(self) -> tuple[str, ...]:
        return "stacked_modes", "stacked_kl"

    @property
    def about(self) -> str:
        floor = sampling_floor(1000, self._samples)
        return (
            f"modes of 1000, and KL(samples||data) over them in nats (perfect samples have {floor:.3f}); "
            f"{self._samples} samples, each channel named by {self._classifier.about}"
        )

    @property
    def better(self) -> dict[str, Direction]:
        return {"stacked_modes": "higher", "stacked_kl": "lower"}

    def preflight(self) -> None:
        self._classifier.preflight()

    @torch.no_grad()
    def measure(self, subject: Subject) -> Measured:
        generator, modes, sound = subject.streams.at("stacked_modes", subject.step), [], []
        for start in range(0, self._samples, _AT_ONCE):
            images = subject.fake(generator, min(_AT_ONCE, self._samples - start))
            modes.append(self._modes(to_unit(images, subject.pixel_range)))
            sound.append(images.isfinite().all())
        found = histogram_fit(torch.cat(modes), self._shares)
        finite = torch.stack(sound).all()  # else the classifier would call it something all the same
        values = (torch.where(finite, value.double(), torch.nan) for value in found)
        return Measured(dict(zip(self.names, values, strict=True)))

    def _modes(self, images: Tensor) -> Tensor:
        return modes_of(self._classifier.logits(images).argmax(-1))

    @cached_property
    def _shares(self) -> Tensor:
        return self._dataset.load().shares
