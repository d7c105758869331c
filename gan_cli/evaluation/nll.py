"""The negative log-likelihood of unseen examples under a model that has one."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gan_cli.checks import at_least_one, require
from gan_cli.data.base import Dataset
from gan_cli.densities.base import Density
from gan_cli.metrics.base import Direction, Draw, Measured, Metric, Subject

_AT_ONCE = 500


class NLL(Metric):
    """−E ln p(x) in nats over unseen examples x, and its standard error √(Var ln p/n + σ²).

    σ is that of an estimated ln Z, in which all examples share, else 0. How ln p comes about is the model's:
    exactly, as a lower bound in expectation, or as an estimate, the last two by `samples` samples, or as many
    as the model takes (of a VAE importance samples an example, of an RBM runs of annealed importance
    sampling). nll_training: the same of `reference` training examples, of which 0 is none. test: unseen
    examples, None for all.
    Raises ValueError for what cannot be, for data of which training sees everything, for data that are not
    binary under a model of binary data, whose numbers would be no log-likelihoods, and for binary data under
    a density, which grows there without bound.
    """

    def __init__(
        self,
        dataset: Dataset,
        density: Density,
        test: int | None = 1000,
        samples: int = 500,
        reference: int = 1000,
    ) -> None:
        require(test is None or test >= 2, "test", "at least 2, or null for all", test)
        require(reference == 0 or reference >= 2, "reference", "0 or at least 2", reference)
        at_least_one(samples=samples)
        if dataset.held_out() is None:
            raise ValueError("no example is left that training does not see: take data.split=train")
        if density.binary and not dataset.binary:
            raise ValueError(
                "the model is one of binary data, and these are not: take data.binarize=threshold"
            )
        if dataset.binary and not density.binary:
            raise ValueError(
                "a density on zeros and ones has no greatest value, so it says nothing: take "
                "model.density.decoder=bernoulli"
            )
        self._test, self._samples, self._reference = test, samples, reference
        self._way = density.way(samples)

    @property
    def names(self) -> tuple[str, ...]:
        training = ("nll_training", "nll_training_error") if self._reference else ()
        return "nll", "nll_error", *training

    @property
    def better(self) -> Mapping[str, Direction]:
        return {"nll": "lower"}

    @property
    def about(self) -> str:
        of = "all unseen examples" if self._test is None else f"{self._test} unseen examples"
        return f"nats, the mean of −ln p over {of} and its standard error; {self._way}"

    @torch.no_grad()
    def measure(self, subject: Subject) -> Measured:
        assert subject.unseen is not None  # held_out() said so
        streams, step = subject.streams, subject.step
        count = self._test or subject.all_unseen
        known = subject.likelihood(streams.at("nll", step), self._samples)
        assert known is not None  # else the metric was refused

        def scored(name: str, draw: Draw, n: int) -> Tensor:
            x = draw(streams.at(f"{name}/examples", step), n)
            return -torch.cat([known.of(part) for part in x.split(_AT_ONCE)]).double()

        found = {"nll": scored("nll", subject.unseen, count)}
        if self._reference:
            found["nll_training"] = scored("nll_training", subject.real, self._reference)
        values = {name: x.mean() for name, x in found.items()}
        values |= {f"{name}_error": (x.var() / len(x) + known.error**2).sqrt() for name, x in found.items()}
        return Measured({name: values[name] for name in self.names}, per_example={"nll": found["nll"]})
