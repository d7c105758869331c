"""`metric=c2st`: the classifier two-sample test."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from gan_cli.checks import one_of
from gan_cli.data.base import Dataset
from gan_cli.evaluation.features import Name
from gan_cli.evaluation.two_sample import Against, TwoSample
from gan_cli.metrics.base import Direction, Subject
from gan_cli.metrics.two_sample_test import CLASSIFIERS, Classifier, classifier_test


class C2ST(TwoSample):
    """The held-out accuracy of a classifier of generated against real, and the chance of it by guessing.

    classifier: see `classifier_test`. Raises ValueError for values out of range.
    """

    key, least = "c2st", 4

    def __init__(
        self,
        dataset: Dataset,
        samples: int = 2000,
        classifier: Classifier = "logistic",
        features: Name = "pixels",
        weights: str | None = None,
        against: Against = "training",
    ) -> None:
        super().__init__(dataset, samples, features, weights, against)
        one_of("classifier", classifier, CLASSIFIERS)
        self._classifier = classifier

    @property
    def names(self) -> tuple[str, ...]:
        return "c2st_accuracy", "c2st_accuracy_error", "c2st_p"

    @property
    def figures(self) -> str:
        return f"accuracy of {self._classifier} on the half not trained on; 0.5 is guessing"

    @property
    def better(self) -> dict[str, Direction]:
        return {"c2st_accuracy": "lower", "c2st_p": "higher"}

    def values(self, real: Tensor, fake: Tensor, subject: Subject) -> Sequence[Tensor]:
        generator = subject.streams.at("c2st/halves", subject.step)
        return classifier_test(real, fake, self._classifier, generator)
