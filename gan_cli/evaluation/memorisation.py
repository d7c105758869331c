"""`metric=memorisation`: whether the generator repeats its training examples."""

from __future__ import annotations

import math
from itertools import chain

import torch
from torch import Tensor

from gan_cli.checks import at_least_one
from gan_cli.data.base import Dataset, Sampler
from gan_cli.errors import InputError
from gan_cli.evaluation.features import Name, extractor
from gan_cli.evaluation.two_sample import ready, vectors
from gan_cli.metrics.base import Measured, Metric, Sheet, Subject
from gan_cli.metrics.blocks import nearest
from gan_cli.metrics.memorisation import copying, partition, training_distance

_BYTES = 1 << 30
"""What the training examples may take, their features aside."""
_NO_UNSEEN = (
    "metric.memorisation: it needs examples that training does not see, and there are none; "
    "use data with another split"
)
_ENDLESS = "metric.memorisation: the data is drawn without end, so there are no training examples to repeat"


class Memorisation(Metric):
    """Are generated examples nearer to the training set than unseen ones are? With pictures of the nearest.

    samples: how many generated and how many unseen examples are held against the training set, or as much
    of it as 1 GiB holds (its features may take as much again). relative: distances are taken in units of how
    far apart training examples are there, so that a generator which prefers dense regions is not taken for a
    copier. cells: parts of the space within which they are compared, by k-means of the training set; 1
    compares them all at once, several and relative=false are the paper's way. features, weights: see
    `extractor`. neighbours, rows: the pictures show so many samples, and beside each so many of its nearest
    training examples (Goodfellow et al. 2014, Fig. 2): the first samples, and in a second picture those
    nearest to the training set. No number is better the farther it goes one way: z and p are high of noise,
    too, which is far from everything. Raises ValueError for values out of range.
    """

    def __init__(
        self,
        dataset: Dataset,
        samples: int = 1000,
        relative: bool = True,
        cells: int = 1,
        features: Name = "pixels",
        weights: str | None = None,
        neighbours: int = 3,
        rows: int = 8,
    ) -> None:
        at_least_one(samples=samples, cells=cells, neighbours=neighbours, rows=rows)
        self._features = extractor(features, dataset, weights)
        self._dataset, self._samples, self._relative, self._cells = dataset, samples, relative, cells
        self._neighbours, self._rows = neighbours, rows

    @property
    def names(self) -> tuple[str, ...]:
        return "memorisation_z", "memorisation_p", "memorisation_close"

    @property
    def about(self) -> str:
        relative = " over that example's own nearest distance" if self._relative else ""
        cells = f", in {self._cells} cells" if self._cells > 1 else ""
        return (
            f"ranks of the distance to the nearest training example{relative} (of 1 GiB of them at most)"
            f"{cells}, z below 0 if samples copy; {self._samples} samples against as many unseen ones (as "
            f"there are, if fewer); close: 0.01 of a faultless generator; features: {self._features.about}"
        )

    def preflight(self) -> None:
        unseen = self._dataset.held_out()
        if unseen is None:
            raise InputError(_NO_UNSEEN)
        unseen.preflight()
        # What the two splits have in common: a table, or a law.
        if isinstance(unseen.load(), Sampler):
            raise InputError(_ENDLESS)
        ready(self._features, "memorisation")

    @torch.no_grad()
    def measure(self, subject: Subject) -> Measured:
        fake = subject.fake(subject.streams.at("memorisation/fake", subject.step), self._samples)
        seen, unseen = self._data(subject)
        training, held, generated = (self._vectors(x) for x in (seen, unseen, fake))
        if not bool(generated.isfinite().all()):
            return Measured({name: generated.new_full((), torch.nan) for name in self.names})
        near, apart = (training_distance(x, training, self._relative) for x in (generated, held))
        cells = None
        if self._cells > 1:
            chance = subject.streams.at("memorisation/cells", 0)
            centres = partition(training, min(self._cells, len(training)), chance)
            cells = nearest(generated, centres)[1][:, 0], nearest(held, centres)[1][:, 0]
        found = copying(near, apart, cells)
        sheets = {}
        if len(subject.shape) == 3:
            first = torch.arange(len(fake), device=near.device)[: self._rows]
            closest = near.argsort(stable=True)[: self._rows]
            for name, shown in (("neighbours", first), ("closest", closest)):
                sheets[name] = self._sheet(fake[shown], generated[shown], seen, training)
        return Measured(dict(zip(self.names, found, strict=True)), sheets)

    def _data(self, subject: Subject) -> tuple[Tensor, Tensor]:
        """The training examples, and unseen ones. Raises InputError where either are missing."""
        if subject.examples is None:
            raise InputError(_ENDLESS)
        if subject.unseen is None:
            raise InputError(_NO_UNSEEN)
        room = max(2, _BYTES // (4 * math.prod(subject.shape)))
        seen = subject.real(subject.streams.at("memorisation/training", 0), min(subject.examples, room))
        unseen = subject.unseen(subject.streams.at("memorisation/unseen", 0), self._samples)
        if len(seen) < 2 or len(unseen) < 1:
            raise InputError(
                "metric.memorisation: it needs 2 training examples and an unseen one at the least, "
                f"and there are {len(seen)} and {len(unseen)}"
            )
        return seen, unseen

    def _vectors(self, x: Tensor) -> Tensor:
        """The features, [n, F], without a second copy of them on the way."""
        parts = vectors(self._features, x)
        first = next(parts)
        found = first.new_empty(len(x), first.shape[1])
        done = 0
        for part in chain([first], parts):
            found[done : done + len(part)] = part
            done += len(part)
        return found

    def _sheet(self, samples: Tensor, found: Tensor, seen: Tensor, training: Tensor) -> Sheet:
        """Each sample and, to its right, its nearest training examples."""
        count = min(self._neighbours, len(training))
        beside = seen[nearest(found, training, count)[1]]
        return Sheet(torch.cat([samples[:, None], beside], 1).flatten(0, 1), count + 1)
