"""A fresh critic at each evaluation: the divergence of a run's generator, as no player of its game sees
it."""

from __future__ import annotations

import math

import torch

from gan_cli.checks import at_least_one, positive, require
from gan_cli.data.base import Table
from gan_cli.estimation.estimate import Estimate, estimate, refuse
from gan_cli.estimation.samples import SHARES, Fresh, Source, Split
from gan_cli.estimation.training import Settings
from gan_cli.losses.base import Loss
from gan_cli.metrics.base import Direction, Measured, Metric, Subject
from gan_cli.network import Network
from gan_cli.streams import Streams
from gan_cli.transforms.adam import Adam

_BYTES = 1 << 28
"""What the real examples of an evaluation may take."""


def refit(
    loss: Loss, critic: Network, real: Source, fake: Source, settings: Settings, streams: Streams
) -> Estimate:
    """The bound of a critic trained from its beginning between two laws, on examples that it has not seen.

    A critic that has played along knows the generator's past; a fresh one, judged on fresh examples, gives a
    curve that can be compared from step to step. The same streams give the same critic and the same examples.
    """
    return estimate(loss, critic, real, fake, settings, streams).estimate


class CriticRefit(Metric):
    """The held-out bound of a critic of the run's own architecture, trained afresh at each evaluation.

    refit_bound ± refit_bound_error: the bound and its standard error; refit_reliable: 1 where the tails let
    these two be trusted, else 0. steps, batch_size, samples, lr: of the critic's training and of the
    examples that judge it. Raises ValueError for numbers below 1 and for a loss that needs a Lipschitz
    critic.
    """

    def __init__(
        self,
        loss: Loss,
        critic: Network,
        steps: int = 500,
        batch_size: int = 256,
        samples: int = 10_000,
        lr: float = 1e-3,
    ) -> None:
        at_least_one(steps=steps, batch_size=batch_size)
        require(samples >= 100, "samples", "at least 100", samples)
        positive(lr=lr)
        refuse(loss)
        self._loss, self._critic = loss, critic
        self._settings = Settings(steps, batch_size, samples, checks=5, optimizer=Adam(lr, (0.9, 0.999)))

    @property
    def names(self) -> tuple[str, ...]:
        return "refit_bound", "refit_bound_error", "refit_reliable"

    @property
    def about(self) -> str:
        asked = self._settings
        return (
            f"nats; a fresh critic's bound on {self._loss.divergence_name} after {asked.steps} updates of "
            f"batch {asked.batch_size}, on at most {asked.samples} held-out examples a side"
        )

    @property
    def better(self) -> dict[str, Direction]:
        return {"refit_bound": "lower"}

    def measure(self, subject: Subject) -> Measured:
        # One seed for all evaluations: the generator's changes are then in the curve, and no critic's luck.
        streams = Streams(subject.streams.seed, subject.streams.device)
        real, fake = self._real(subject, streams), Fresh(subject.fake, streams, "refit/fake")
        found = refit(self._loss, self._critic, real, fake, self._settings, streams)
        values = (found.bound.value, found.bound.standard_error, float(found.reliable))
        device = streams.device
        return Measured({n: torch.tensor(v, device=device) for n, v in zip(self.names, values, strict=True)})

    def _real(self, subject: Subject, streams: Streams) -> Source:
        """Drawn afresh where there is a law; else as many of the table's as the parts can use and memory
        takes."""
        name = "refit/real"
        if subject.examples is None:
            return Fresh(subject.real, streams, name)
        room = _BYTES // (4 * math.prod(subject.shape))
        used = min(subject.examples, math.ceil(self._settings.samples / SHARES["held_out"]), room)
        return Split(Table(subject.real(streams.at(name, 0), used)), lambda x: x, streams, name)
