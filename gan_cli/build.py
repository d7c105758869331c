"""From a config to objects. Below this module nobody sees a DictConfig."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from gan_cli import legality
from gan_cli.data.base import Dataset, Distribution
from gan_cli.errors import InputError
from gan_cli.game import Game, Prior, Side
from gan_cli.losses.base import Loss
from gan_cli.metrics.base import Metric
from gan_cli.network import Network
from gan_cli.observers.base import Settings
from gan_cli.observers.checkpoints import best_direction
from gan_cli.parallel.crew import ranked
from gan_cli.parallel.ranks import Ranks, here
from gan_cli.runtime import DTYPES, device, learner
from gan_cli.transforms.base import Transform
from gan_cli.tricks import Tricks
from gan_cli.views.base import compose


@dataclass(frozen=True)
class Experiment:
    """Everything that a config names, built and checked; nothing is loaded yet.

    learner: what is trained, the game as this process plays it among `ranks`; alone, the game itself.
    """

    game: Game
    learner: Game
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
        """Look for the files that data and metrics need. Raises InputError where one is missing."""
        self.dataset.preflight()
        for metric in self.metrics.values():
            metric.preflight()


def build(cfg: DictConfig) -> Experiment:
    """The experiment that a composed config describes. Raises InputError in one line for what cannot be."""
    dataset: Dataset = make("data", cfg.data, Dataset)
    tricks = _sort(cfg.trick)
    loss: Loss = make("loss", cfg.loss, Loss)
    for _, wrap in tricks.wrappers:
        loss = wrap(loss)
    dtype = DTYPES[cfg.runtime.precision]
    game = Game(
        generator=_side(cfg, "generator", dataset, tricks, dtype),
        critic=_side(cfg, "critic", dataset, tricks, dtype),
        loss=loss,
        prior=Prior(cfg.model.latent, cfg.model.prior),
        prepare=dataset.prepare,
        batch_size=cfg.batch_size,
        view=compose(*tricks.views),
        critic_steps=cfg.critic_steps,
        order=tricks.order,
        unroll=tricks.unroll.steps,
        recompute=tricks.unroll.recompute,
        packing=tricks.samples,
        dtype=dtype,
    )
    # What a view says of examples that are none for it, it says when it draws.
    game.view.draw(torch.Generator(), torch.Size((1, *dataset.shape)), dtype)
    legality.check(game)
    ranks = here()
    settings = Settings(**{name: cfg[name] for name in Settings.__dataclass_fields__})
    measured = metrics(cfg, dataset, dtype)
    if settings.keep_best is not None:
        law = dataset.kind == "points" and isinstance(dataset.load(), Distribution)
        best_direction(settings, measured, modes=law)
    place = ranked(device(cfg.device), ranks)
    config: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    config.pop("resume", None)  # the same run, whether it was resumed or not
    return Experiment(
        game=game,
        learner=learner(game, cfg.runtime, ranks, place, cfg.steps),
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


def _side(
    cfg: DictConfig,
    name: Literal["generator", "critic"],
    dataset: Dataset,
    tricks: Tricks,
    dtype: torch.dtype,
) -> Side:
    shape = tuple(dataset.shape)
    extra: dict[str, Any] = {"shape": shape}
    if name == "generator":
        extra |= {"latent": cfg.model.latent, "pixel_range": dataset.pixel_range}
    else:
        extra = {"shape": (shape[0] * tricks.samples, *shape[1:])}

    def factory() -> nn.Module:
        module: nn.Module = make(f"model.{name}", cfg.model[name], nn.Module, **extra)
        for trick, layer in tricks.layers:
            if layer.side == name:
                module = _refusing(f"trick.{trick}", cfg.trick[trick], layer.into, module)
        return module

    autocast = torch.bfloat16 if cfg.runtime.precision == "bf16" else None
    optimiser: Transform = make(f"optimizer.{name}", cfg.optimizer[name], Transform)
    terms = tuple(term for term in tricks.terms if term.side == name)
    alone = any(getattr(term, "alone", False) for term in terms)
    network = Network(factory, dtype, autocast, cfg.runtime.channels_last)
    return Side(network, tricks.chained(optimiser, name), terms, not alone)


def _sort(cfg: DictConfig) -> Tricks:
    tricks = Tricks()
    for name in map(str, cfg or {}):
        node = cfg[name]
        target = get_object(node._target_)
        if isinstance(target, type) and issubclass(target, Loss):  # it wraps a loss, which build fills in
            tricks.wrappers.append((name, partial(_wrap, f"trick.{name}", node)))
        else:
            tricks.add(name, make(f"trick.{name}", node, object))
    return tricks


def _wrap(key: str, node: DictConfig, loss: Loss) -> Loss:
    # Not as an argument of instantiate, which would take a dataclass for a config.
    wrapped: Loss = _refusing(key, node, make(key, node, object, _partial_=True), loss)
    return wrapped


def _refusing(key: str, node: DictConfig, function: Callable[..., Any], *arguments: Any) -> Any:
    """function(*arguments), whose ValueError is told as that key's."""
    try:
        return function(*arguments)
    except ValueError as error:
        raise InputError(_placed(key, node, error)) from None


def metrics(cfg: DictConfig, dataset: Dataset, dtype: torch.dtype) -> dict[str, Metric]:
    """The metrics of the list by name; one that asks for the loss or the critic gets them without any trick.

    Raises InputError for two that measure under one name.
    """
    offers: dict[str, Callable[[], Any]] = {
        "loss": lambda: make("loss", cfg.loss, Loss),
        "critic": lambda: _side(cfg, "critic", dataset, Tricks(), dtype).network,
        "dataset": lambda: dataset,
    }
    found: dict[str, Metric] = {}
    for name in map(str, cfg.get("metric") or {}):
        node = cfg.metric[name]
        wanted = inspect.signature(get_object(node._target_)).parameters
        filled = {argument: offer() for argument, offer in offers.items() if argument in wanted}
        begun = make(f"metric.{name}", node, object, _partial_=True)
        metric = _refusing(f"metric.{name}", node, partial(begun, **filled))
        if not isinstance(metric, Metric):
            kind = f"{Metric.__module__}.{Metric.__name__}"
            raise InputError(f"metric.{name}._target_={node._target_}: it gives no {kind}")
        for other, there in found.items():
            if twice := set(there.names) & set(metric.names):
                raise InputError(
                    f"metric={name}: metric={other} measures {min(twice)}, too: choose one of them"
                )
        found[name] = metric
    return found


def make(key: str, node: DictConfig, kind: type, **extra: Any) -> Any:
    """What a node's `_target_` gives, of that kind. Raises InputError in one line that names the key."""
    try:
        made = instantiate(node, **extra, _convert_="all")
    except InstantiationException as error:
        # Hydra names the node whose constructor refused; that says "<argument> must be …, got …".
        where = next((line[10:] for line in str(error).splitlines() if line.startswith("full_key: ")), key)
        cause = error.__cause__
        if isinstance(cause, ValueError):
            raise InputError(_placed(where, OmegaConf.select(node._get_root(), where), cause)) from error
        raise InputError(f"{where}: cannot be made: {type(cause).__name__}: {cause}") from error
    if not isinstance(made, kind):
        raise InputError(
            f"{key}._target_={node._target_}: it gives a {type(made).__name__}, not a {kind.__name__}"
        )
    return made


def _placed(key: str, node: DictConfig | None, cause: ValueError) -> str:
    argument = str(cause).split(" ", 1)[0]
    return f"{key}.{cause}" if node is not None and argument in node else f"{key}: {cause}"
