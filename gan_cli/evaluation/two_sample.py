"""What the metrics share that compare a sample of the generator's with a sample of the data."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor

from gan_cli.checks import one_of, require
from gan_cli.data.base import Dataset
from gan_cli.errors import InputError
from gan_cli.evaluation.features import Features, Name, extractor
from gan_cli.metrics.base import Draw, Measured, Metric, Subject

Against = Literal["training", "unseen"]
_AT_ONCE = 500


def vectors(features: Features, x: Tensor) -> Iterator[Tensor]:
    """The features of examples, some at a time; NaN where an example is not finite, whatever they make of
    it."""
    for part in x.split(_AT_ONCE):
        yield features(part) + (0 * part).flatten(1).sum(1, keepdim=True)


def ready(features: Features, key: str) -> None:
    """Look for what the features of metric `key` need. Raises InputError that names the metric's setting."""
    try:
        features.preflight()
    except InputError as error:
        own = str(error).startswith(("features=", "weights="))
        raise InputError(f"metric.{key}.{error}" if own else f"metric.{key}: {error}") from error


class Compared(Metric):
    """A metric that holds vectors against vectors: features of generated and of real examples, as many of
    either.

    key: its name in `metric=[…]`; least: the examples that it cannot do without. samples: how many of either
    side; as many as there are where the data has fewer. features, weights: see `extractor`. against: the
    examples that the run trains on, or such as it does not see. The real ones are the same at each evaluation
    of a run. Raises ValueError for too few samples and for features that are none.
    """

    key: ClassVar[str]
    least: ClassVar[int] = 2

    def __init__(
        self, dataset: Dataset, samples: int, features: Name, weights: str | None, against: Against
    ) -> None:
        require(samples >= self.least, "samples", f"at least {self.least}", samples)
        one_of("against", against, ("training", "unseen"))
        self._features = extractor(features, dataset, weights)
        self._dataset, self._samples, self._against = dataset, samples, against

    @property
    @abstractmethod
    def figures(self) -> str:
        """What the numbers are, and the settings of its own."""

    @property
    def about(self) -> str:
        return (
            f"{self.figures}; {self._samples} samples against as many {self._against} examples (as "
            f"there are, if fewer); features: {self._features.about}"
        )

    def preflight(self) -> None:
        if self._against == "unseen":
            unseen = self._dataset.held_out()
            if unseen is None:
                raise self._no_unseen()
            unseen.preflight()
        ready(self._features, self.key)

    def parts(self, subject: Subject) -> tuple[Iterator[Tensor], Iterator[Tensor]]:
        """The vectors of real and of generated examples, [b, F] at a time. Raises InputError where the data
        has too few examples."""
        chance = subject.streams.at(f"{self.key}/real", 0)
        real = self._data(subject)(chance, self._samples)
        if len(real) < self.least:
            raise InputError(
                f"metric.{self.key}: it needs {self.least} {self._against} examples at the least, "
                f"and there are {len(real)}"
            )
        # A draw without replacement comes in the data's own order, which may go by class.
        order = torch.randperm(len(real), generator=chance, device=chance.device).to(real.device)
        shuffled = (part for rows in order.split(_AT_ONCE) for part in vectors(self._features, real[rows]))
        return shuffled, self._generated(subject, len(real))

    def _generated(self, subject: Subject, count: int) -> Iterator[Tensor]:
        latents = subject.streams.at(f"{self.key}/fake", subject.step)
        for start in range(0, count, _AT_ONCE):
            yield from vectors(self._features, subject.fake(latents, min(_AT_ONCE, count - start)))

    def _data(self, subject: Subject) -> Draw:
        if self._against == "training":
            return subject.real
        if subject.unseen is None:
            raise self._no_unseen()
        return subject.unseen

    def _no_unseen(self) -> InputError:
        return InputError(
            f"metric.{self.key}.against=unseen: training sees all examples of this data; "
            "use against=training or data with another split"
        )


class TwoSample(Compared):
    """A metric that needs all vectors at once; all its numbers are NaN where a generated one is not
    finite."""

    @torch.no_grad()
    def measure(self, subject: Subject) -> Measured:
        real, fake = (torch.cat(list(parts)) for parts in self.parts(subject))
        if not bool(fake.isfinite().all()):
            return Measured({name: fake.new_full((), torch.nan) for name in self.names})
        return Measured(dict(zip(self.names, self.values(real, fake, subject), strict=True)))

    @abstractmethod
    def values(self, real: Tensor, fake: Tensor, subject: Subject) -> Sequence[Tensor]:
        """The numbers in the order of `names`, from finite vectors in random order: [n, F] each, n ≥
        least."""
