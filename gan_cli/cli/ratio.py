"""ln p/q of generated examples, for rejection sampling: as the run's critic has it, or a fresh one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gan_cli.cli.finished import Opened
from gan_cli.errors import InputError
from gan_cli.estimation.samples import Fresh, source
from gan_cli.estimation.training import Settings, train
from gan_cli.losses.gan import Minimax
from gan_cli.sampling.draws import Maker
from gan_cli.sampling.latents import truncated
from gan_cli.streams import Streams
from gan_cli.transforms.adam import Adam

LogRatio = Callable[[Tensor], Tensor]
_BATCH, _VALIDATION, _CHECKS, _RATE = 256, 10_000, 5, 1e-3


def own(opened: Opened) -> LogRatio:
    """That of the run's own critic: [B, *shape] -> [B]. Raises InputError where its scores hold none."""
    game, state = opened.experiment.game, opened.state

    def log_ratio(x: Tensor) -> Tensor:
        critique = game.critique(state, x.to(state.step.device))
        if critique is None:
            raise InputError(
                "method=drs: the run's critic judges an example with its class; there is no ln p/q"
            )
        if not critique.is_log_ratio:
            raise InputError(
                "method=drs needs ln p/q from the critic, and the scores of this run's loss, "
                f"{type(game.loss).__name__}, hold none: add refit=2000, a critic of its own"
            )
        return critique.values

    return log_ratio


def fresh(opened: Opened, maker: Maker, steps: int, seed: int, truncation: float | None) -> LogRatio:
    """That of a critic of the run's architecture, trained from its beginning to tell the data from samples.

    `steps` updates on 256 examples of either side by the GAN's loss, whose best score is ln p/q. The run's
    own critic has chased a generator that moved; this one faces a generator that stands still. Of a table of
    examples it sees 60 %, and those parameters are kept that do best on others. Raises InputError for a
    critic that judges several examples at once or has Dropout.
    """
    game, run = opened.experiment.game, opened.run
    if game.condition:
        raise InputError(f"refit={steps}: the run's critic judges an example with its class")
    if game.packing != 1:
        raise InputError(f"refit={steps}: the run's critic judges {game.packing} examples at once (packing)")
    if game.critic.network.draws:
        raise InputError(
            f"refit={steps}: the run's critic holds Dropout, which draws numbers that no seed repeats"
        )
    streams = Streams(seed, opened.experiment.device)

    def draw(generator: torch.Generator, n: int) -> Tensor:
        z = game.latents(generator, n)
        if truncation is not None:
            z = truncated(z, truncation, game.latent_kind, generator)
        return maker(z).to(streams.device)

    real = source(run.dataset, run.data, streams, "drs/real")
    settings = Settings(steps, _BATCH, _VALIDATION, _CHECKS, optimizer=Adam(_RATE, (0.9, 0.999)))
    fake = Fresh(draw, streams, "drs/fake")
    critic, _ = train(Minimax(), game.critic.network, real, fake, settings, seed)
    return lambda x: critic(x.to(streams.device))
