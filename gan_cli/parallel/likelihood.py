"""A model of one player whose batches are shared by several processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from gan_cli.errors import InputError
from gan_cli.learner import Source
from gan_cli.likelihood import Likelihood, LikelihoodRound
from gan_cli.parallel.calculus import DataParallel
from gan_cli.parallel.game import Shapes, own_rows, refuse_compiled, uneven
from gan_cli.parallel.ranks import Ranks
from gan_cli.streams import Streams


@dataclass(frozen=True)
class SharedLikelihood(Likelihood):
    """The same model as one process trains it with the whole batch, on one's own rows of it."""

    ranks: Ranks = field(default_factory=Ranks)

    def draw(self, step: int, feed: Source, streams: Streams) -> LikelihoodRound:
        """The process's own rows of round `step`: noise is drawn for all, as one process draws it."""
        shapes = Shapes(feed, self.batch_size, self.ranks.rows(self.batch_size))
        drawn = super().draw(step, shapes, streams)
        rest = own_rows(self.ranks, (drawn.label, drawn.noise, drawn.terms), self.batch_size)
        return LikelihoodRound(shapes.own[0], *rest)


def shared_likelihood(model: Likelihood, ranks: Ranks, runtime: Mapping[str, Any]) -> SharedLikelihood:
    """The model as these processes train it together.

    Raises InputError for what cannot be shared: rounds that are compiled, a batch of which the processes have
    no equal parts, and a model that looks at a whole batch.
    """
    refuse_compiled(ranks.count, runtime)
    for reason in uneven(model.batch_size, ranks.count):
        raise InputError(reason)
    if model.density.looks_at_batches:
        name = type(model.density).__name__
        raise InputError(
            f"model: {name} looks at a whole batch, of which each of {ranks.count} processes sees its own "
            "rows alone; run it in one process"
        )
    known = {one.name: getattr(model, one.name) for one in fields(Likelihood)}
    return SharedLikelihood(**(known | {"calculus": DataParallel(model.calculus)}), ranks=ranks)
