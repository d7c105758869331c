"""From a config to objects. Below this module nobody sees a DictConfig."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from gan_cli.assembly import assembled, scope, side
from gan_cli.data.base import Dataset, Distribution
from gan_cli.errors import InputError
from gan_cli.game import Game
from gan_cli.instantiation import make, refusing
from gan_cli.learner import Learner
from gan_cli.likelihood import Likelihood
from gan_cli.losses.base import Loss
from gan_cli.metrics.base import Metric
from gan_cli.observers.base import Settings
from gan_cli.observers.checkpoints import best_direction
from gan_cli.observers.profiler import too_short
from gan_cli.parallel.crew import ranked
from gan_cli.parallel.ranks import Ranks, here
from gan_cli.runtime import DTYPES, device, learner
from gan_cli.tricks import Tricks


@dataclass(frozen=True)
class Experiment:
    """Everything that a config names, built and checked; nothing is loaded yet.

    plain: what is trained, as one process plays it operation by operation; learner: the same as this process
    plays it, as fast as the runtime asks and among `ranks`.
    """

    plain: Learner
    learner: Learner
    ranks: Ranks
    dataset: Dataset
    settings: Settings
    metrics: Mapping[str, Metric]
    device: torch.device
    steps: int
    seed: int
    runtime: Mapping[str, Any]
    config_yaml: str
    config: Mapping[str, Any]

    @property
    def game(self) -> Game:
        """What is trained, where it is a game. Raises InputError for any other learner."""
        if not isinstance(self.plain, Game):
            raise InputError(
                "model: no critic judges whole examples here; this is for games: use model=mlp or model=dcgan"
            )
        return self.plain

    @property
    def threads(self) -> int | None:
        """How many CPU threads; None leaves it to torch."""
        threads: int | None = self.runtime["threads"]
        return threads

    @property
    def resident_mb(self) -> int:
        """How many MiB of data may live on the device."""
        size: int = self.runtime["resident_mb"]
        return size

    def preflight(self) -> None:
        """Look for the files that data and metrics need.

        Raises InputError where one is missing, and where the run ends before it can be profiled.
        """
        if reason := too_short(self.runtime["profile"], self.steps):
            raise InputError(reason)
        self.dataset.preflight()
        for metric in self.metrics.values():
            metric.preflight()


def build(cfg: DictConfig) -> Experiment:
    """The experiment that a composed config describes. Raises InputError in one line for what cannot be."""
    dataset: Dataset = make("data", cfg.data, Dataset)
    dtype = DTYPES[cfg.runtime.precision]
    plain = assembled(cfg, dataset, dtype)
    ranks = here()
    settings = Settings(**{name: cfg[name] for name in Settings.__dataclass_fields__})
    measured = metrics(cfg, dataset, plain)
    if settings.keep_best is not None:
        law = dataset.kind == "points" and isinstance(dataset.load(), Distribution)
        best_direction(settings, measured, modes=law)
    place = ranked(device(cfg.device), ranks)
    config: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    config.pop("resume", None)  # the same run, whether it was resumed or not
    return Experiment(
        plain=plain,
        learner=learner(plain, cfg.runtime, ranks, place, cfg.steps),
        ranks=ranks,
        dataset=dataset,
        settings=settings,
        metrics=measured,
        device=place,
        steps=cfg.steps,
        seed=cfg.seed,
        runtime=config["runtime"],
        config_yaml=OmegaConf.to_yaml(config),
        config=config,
    )


def metrics(cfg: DictConfig, dataset: Dataset, plain: Learner) -> dict[str, Metric]:
    """The metrics of the list by name, for what the config trains; one that asks for the loss or the critic
    gets them without any trick.

    Raises InputError for two that measure under one name, and for one that this model is none for.
    """
    offers: dict[str, Callable[[], Any]] = {"dataset": lambda: dataset}
    if isinstance(plain, Game):
        offers["loss"] = lambda: make("loss", cfg.loss, Loss)
        offers["critic"] = lambda: side(cfg, "critic", scope(cfg, dataset), Tricks(), plain.dtype).network
    if isinstance(plain, Likelihood):
        offers["density"] = lambda: plain.density
    found: dict[str, Metric] = {}
    for name in map(str, cfg.get("metric") or {}):
        node = cfg.metric[name]
        wanted = inspect.signature(get_object(node._target_)).parameters
        if not isinstance(plain, Game) and wanted.keys() & {"loss", "critic"}:
            raise InputError(f"metric={name}: it looks at one game's critic, and there is none here")
        if not isinstance(plain, Likelihood) and "density" in wanted:
            raise InputError(f"metric={name}: a GAN's generator has no known density; use metric=kde")
        filled = {argument: offer() for argument, offer in offers.items() if argument in wanted}
        begun = make(f"metric.{name}", node, object, _partial_=True)
        metric = refusing(f"metric.{name}", node, partial(begun, **filled))
        if not isinstance(metric, Metric):
            kind = f"{Metric.__module__}.{Metric.__name__}"
            raise InputError(f"metric.{name}._target_={node._target_}: it gives no {kind}")
        if metric.differentiates and not plain.smooth:
            raise InputError(f"metric={name}: it needs samples that are smooth in the latent; use metric=nll")
        for other, there in found.items():
            if twice := set(there.names) & set(metric.names):
                raise InputError(
                    f"metric={name}: metric={other} measures {min(twice)}, too: choose one of them"
                )
        found[name] = metric
    return found
