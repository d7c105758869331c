"""The Parzen log-likelihood of a run's generator, in the unit and by the protocol that are asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from gan_cli.checks import at_least_one, one_of, require
from gan_cli.data.base import Dataset, Table
from gan_cli.errors import InputError
from gan_cli.evaluation.unit import pixel_unit
from gan_cli.metrics.base import Direction, Measured, Metric, Subject
from gan_cli.metrics.kde import best_bandwidth, cross_validation, parzen_log_density

Protocol = Literal["cross_validation", "validation"]


class Grid(NamedTuple):
    """The bandwidths to choose from: evenly spaced in the logarithm, and on above the greatest at need."""

    least: float
    greatest: float
    number: int


class KDE(Metric):
    """The mean log-density of unseen examples under a Gaussian kernel at each generated sample, in nats.

    kde ± kde_error: the mean over unseen examples and its standard error, for pixels in `pixel_range`;
    kde_unit: the mean for pixels in [0, 1], where that is another; kde_bandwidth: the σ that was chosen;
    kde_training ± its error: the same with as many training examples as samples as `reference` says.

    samples: generated ones. test: unseen examples, None for all (of a law 10,000). protocol: σ is chosen by
    `cross_validation` on the samples, in `folds`, or on a `validation` set of training examples. validation:
    how many examples a choice is judged on, of each fold or of training; None for whole folds, or 1,000.
    grid: least and greatest σ and how many, in the unit (see `best_bandwidth`); refine: searches between the
    best one's neighbours.
    pixel_range: the unit, None for [0, 1]; points are in their own. Raises ValueError for what cannot be, and
    for data of which training sees everything.
    """

    def __init__(
        self,
        dataset: Dataset,
        samples: int = 10_000,
        test: int | None = None,
        protocol: Protocol = "cross_validation",
        folds: int = 3,
        validation: int | None = 1000,
        grid: Sequence[float] = (0.01, 1.0, 16),
        refine: int = 1,
        pixel_range: Sequence[float] | None = None,
        reference: int = 0,
    ) -> None:
        one_of("protocol", protocol, get_args(Protocol))
        require(folds >= 2, "folds", "at least 2", folds)
        require(samples >= folds, "samples", f"at least folds={folds}", samples)
        require(test is None or test >= 2, "test", "at least 2, or null for all", test)
        at_least_one(validation=1 if validation is None else validation)
        require(refine >= 0, "refine", "at least 0", refine)
        least = folds if protocol == "cross_validation" else 1
        require(reference == 0 or reference >= least, "reference", f"0 or at least {least}", reference)
        if dataset.held_out() is None:
            raise ValueError(
                "no example is left that training does not see, to judge the samples on: take "
                "data.split=train where the data have splits, data.test_subfolder for a folder of images"
            )
        self._dataset = dataset
        self._samples, self._test, self._reference = samples, test, reference
        self._protocol, self._folds, self._validation, self._refine = protocol, folds, validation, refine
        self._grid = _checked(grid)
        self._unit = pixel_unit(pixel_range, dataset.pixel_range, default=(0.0, 1.0))

    @property
    def names(self) -> tuple[str, ...]:
        shifted = ("kde_unit",) if self._unit not in (None, (0.0, 1.0)) else ()
        training = ("kde_training", "kde_training_error") if self._reference else ()
        return "kde", "kde_error", *shifted, "kde_bandwidth", *training

    @property
    def about(self) -> str:
        pixels = "" if self._unit is None else " on pixels in [{:g}, {:g}]".format(*self._unit)
        judges = f"{self._validation or 'all'}"
        counted = self._reference or self._test or self._protocol == "validation"
        by = {
            "cross_validation": f"{self._folds}-fold cross-validation ({judges} examples of a fold)",
            "validation": f"{self._validation or 1000} training examples",
        }
        grid = f"{self._grid.number} values in [{self._grid.least:g}, {self._grid.greatest:g}] or above"
        refined = ", refined" if self._refine else ""
        training = (
            f"; kde_training: {self._reference} training examples as samples" if self._reference else ""
        )
        return (
            f"nats an example{pixels}; {self._samples} samples, bandwidth by {by[self._protocol]} from {grid}"
            f"{refined}, {'all' if self._test is None else self._test} unseen examples{training}"
            f"{'; of the data as many as there are, if fewer' if counted else ''}"
        )

    @property
    def better(self) -> dict[str, Direction]:
        return {name: "higher" for name in self.names if name in ("kde", "kde_unit")}

    def preflight(self) -> None:
        unseen = self._dataset.held_out()
        assert unseen is not None
        unseen.preflight()
        if self._reference:
            data = self._dataset.load()
            self._check(len(data) if isinstance(data, Table) else None)

    def measure(self, subject: Subject) -> Measured:
        assert subject.unseen is not None
        wanted = self._test or subject.all_unseen
        test = self._in_unit(subject, subject.unseen(subject.streams.at("kde/unseen", 0), wanted))
        fake = subject.fake(subject.streams.at("kde/samples", subject.step), self._samples)
        judges = None
        if self._protocol == "validation":
            judges = self._training(subject, self._judging)
        densities, bandwidth = self._judged(test, self._in_unit(subject, fake), judges)
        values = dict(zip(("kde", "kde_error"), _mean(densities), strict=True)) | {"kde_bandwidth": bandwidth}
        if "kde_unit" in self.names:
            assert self._unit is not None
            stretch = math.log(self._unit[1] - self._unit[0])
            values["kde_unit"] = values["kde"] + math.prod(subject.shape) * stretch
        if self._reference:
            values |= self._of_training(subject, test)
        return Measured({name: values[name] for name in self.names})

    def _of_training(self, subject: Subject, test: Tensor) -> dict[str, Tensor]:
        """The number of the training examples themselves; those that judge the bandwidth are none of them."""
        self._check(subject.examples)
        judging = self._judging
        drawn = self._training(subject, self._reference + judging)
        judges = drawn[:judging] if judging else None
        densities, _ = self._judged(test, drawn[judging:], judges)
        return dict(zip(("kde_training", "kde_training_error"), _mean(densities), strict=True))

    @property
    def _judging(self) -> int:
        """Training examples that the bandwidth is judged on."""
        return (self._validation or 1000) if self._protocol == "validation" else 0

    def _check(self, examples: int | None) -> None:
        """Raise InputError where so many training examples leave none for the reference."""
        least = self._folds if self._protocol == "cross_validation" else 1
        if examples is not None and examples < self._judging + least:
            judging = f" beside the {self._judging} that judge the bandwidth" if self._judging else ""
            lower = "lower metric.kde.validation or " if self._judging else ""
            raise InputError(
                f"metric.kde.reference={self._reference}: it needs {least} or more training examples"
                f"{judging}, and there are {examples} in all; {lower}take reference=0"
            )

    def _training(self, subject: Subject, n: int) -> Tensor:
        """The first n training examples of one fixed order."""
        generator = subject.streams.at("kde/training", 0)
        drawn = subject.real(generator, n)  # sorted as they lie in the table, so perhaps by class
        order = torch.randperm(len(drawn), generator=generator, device=generator.device)
        return self._in_unit(subject, drawn[order.to(drawn.device)])

    def _judged(self, test: Tensor, samples: Tensor, judges: Tensor | None) -> tuple[Tensor, Tensor]:
        """Each test example's log-density under the samples, [M], and the bandwidth, []."""

        def score(bandwidths: Tensor) -> Tensor:
            if judges is None:
                return cross_validation(samples, bandwidths, self._folds, self._validation)
            return parzen_log_density(judges, samples, bandwidths).mean(1)

        bandwidth = best_bandwidth(score, *self._grid, refine=self._refine).to(samples.device)
        return parzen_log_density(test, samples, bandwidth[None])[0], bandwidth

    def _in_unit(self, subject: Subject, x: Tensor) -> Tensor:
        """Pixels in the unit; points, whose few dimensions cost nothing, in double precision."""
        if self._unit is None or subject.pixel_range is None:
            return x.double()
        (low, high), (to_low, to_high) = subject.pixel_range, self._unit
        return (x - low) * ((to_high - to_low) / (high - low)) + to_low


def _mean(densities: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and its standard error, [] each."""
    densities = densities.double()
    return densities.mean(), densities.std() / math.sqrt(len(densities))


def _checked(grid: Sequence[float]) -> Grid:
    rule = "[least, greatest, how many], 0 < least < greatest and at least 2 of them"
    numbers = [float(value) for value in grid]
    require(len(numbers) == 3 and all(map(math.isfinite, numbers)), "grid", rule, list(grid))
    least, greatest, count = numbers
    require(0 < least < greatest and count >= 2 and count == int(count), "grid", rule, list(grid))
    return Grid(least, greatest, int(count))
