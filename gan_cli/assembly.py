"""From the config of a model to what is trained: a game, a pyramid of games, or a model of one player."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from gan_cli import configuration, legality, levels
from gan_cli.criteria.base import Criterion
from gan_cli.data.base import Dataset
from gan_cli.densities.base import Density
from gan_cli.errors import InputError
from gan_cli.game import Game, Prior, Side
from gan_cli.instantiation import make, refusing
from gan_cli.laplacian import sides
from gan_cli.layers.virtual_batch_norm import VirtualBatchNorm
from gan_cli.learner import Learner
from gan_cli.likelihood import Likelihood
from gan_cli.losses.base import Loss
from gan_cli.network import Network
from gan_cli.pyramid import Pyramid
from gan_cli.transforms.base import Transform
from gan_cli.tricks import Tricks, sorted_tricks
from gan_cli.views.base import compose


class Scope(NamedTuple):
    """What one game is about: the examples that its critic sees, and what both players are told of them.

    condition: how many entries of a latent, the last, they are told.
    """

    shape: tuple[int, ...]
    pixel_range: tuple[float, float] | None
    prepare: Callable[[Tensor], Tensor]
    prior: Prior
    condition: int


def assembled(cfg: DictConfig, dataset: Dataset, dtype: torch.dtype) -> Learner:
    """What the config trains. Raises InputError in one line for what cannot be."""
    if "density" in cfg.model:
        return _likelihood(cfg, dataset, dtype)
    if "levels" in cfg.model:
        return _pyramid(cfg, dataset, dtype)
    return _game(cfg, scope(cfg, dataset), dtype)


def _game(cfg: DictConfig, scope: Scope, dtype: torch.dtype) -> Game:
    tricks = sorted_tricks(cfg.trick)
    loss: Loss = _criterion(cfg, Loss)
    for _, wrap in tricks.wrappers:
        loss = wrap(loss)
    game = Game(
        generator=side(cfg, "generator", scope, tricks, dtype),
        critic=side(cfg, "critic", scope, tricks, dtype),
        loss=loss,
        prior=scope.prior,
        prepare=scope.prepare,
        batch_size=cfg.batch_size,
        view=compose(*tricks.views),
        critic_steps=cfg.critic_steps,
        order=tricks.order,
        unroll=tricks.unroll.steps,
        recompute=tricks.unroll.recompute,
        packing=tricks.samples,
        condition=scope.condition,
        dtype=dtype,
    )
    # What a view says of examples that are none for it, it says when it draws.
    game.view.draw(torch.Generator(), torch.Size((1, *scope.shape)), dtype)
    legality.check(game)
    return game


def _pyramid(cfg: DictConfig, dataset: Dataset, dtype: torch.dtype) -> Pyramid:
    """A game for each level: the run's, but for what `model.levels.<side>` says."""
    if dataset.kind != "image":
        raise InputError("model: a Laplacian pyramid is one of images; use model=mlp for points")
    config: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    model, (channels, height, _) = config["model"], dataset.shape
    found = sides(height)
    games = []
    for pixels, level in levels.configs(config, found):
        coarsest = pixels == found[0]
        about = Scope(
            shape=(channels, pixels, pixels),
            pixel_range=dataset.pixel_range if coarsest else None,
            prepare=_as_it_is,
            prior=Prior(model["latent"] if coarsest else pixels**2, model["prior"]),
            condition=0 if coarsest else channels * pixels**2,
        )
        try:
            games.append(_game(OmegaConf.create(configuration.check(level)), about, dtype))
        except InputError as error:
            raise InputError(f"at the level of {pixels} pixels: {error}") from error
    return Pyramid(tuple(games), found, dataset.prepare)


def _as_it_is(x: Tensor) -> Tensor:
    """A level's images, which are prepared before they are taken apart."""
    return x


def _likelihood(cfg: DictConfig, dataset: Dataset, dtype: torch.dtype) -> Likelihood:
    tricks = sorted_tricks(cfg.trick)
    for name in map(str, cfg.trick or {}):
        legality.check_alone(name, sorted_tricks(cfg.trick, [name]))
    if cfg.critic_steps != 1:
        raise InputError(f"critic_steps={cfg.critic_steps}: this model has no critic; use critic_steps=1")
    criterion: Criterion = _criterion(cfg, Criterion)
    network = Network(partial(_density, cfg, dataset), dtype, _autocast(cfg), cfg.runtime.channels_last)
    refusing("loss", cfg.loss, criterion.check, network.module)
    optimiser: Transform = make("optimizer.generator", cfg.optimizer.generator, Transform)
    terms = tuple(term for term in tricks.terms if term.side == "generator")
    return Likelihood(
        model=Side(network, tricks.chained(optimiser, "generator"), terms),
        criterion=criterion,
        prepare=dataset.prepare,
        batch_size=cfg.batch_size,
        pixel_range=dataset.pixel_range,
        dtype=dtype,
    )


def _density(cfg: DictConfig, dataset: Dataset) -> Density:
    """The model of one player that the config names."""
    extra: dict[str, Any] = {"shape": tuple(dataset.shape)}
    if classes := _classes(cfg, dataset):
        _takes_classes("density", cfg.model)
        if cfg.model.condition != "concat":
            raise InputError(
                f"model.condition must be concat or null in a model of one player, got {cfg.model.condition}"
            )
        extra["classes"] = classes
    made: Density = make("model.density", cfg.model.density, Density, **extra)
    if made.binary and dataset.kind == "points":
        raise InputError(
            f"model: {type(made).__name__} is one of zeros and ones, as it stands; for points use model=vae "
            "model.density.decoder=gaussian"
        )
    return made


def scope(cfg: DictConfig, dataset: Dataset) -> Scope:
    """That of a whole run."""
    classes = _classes(cfg, dataset)
    prior = Prior(cfg.model.latent, cfg.model.prior, classes)
    return Scope(tuple(dataset.shape), dataset.pixel_range, dataset.prepare, prior, classes)


def _criterion(cfg: DictConfig, kind: type) -> Any:
    """What the config's loss gives. Raises InputError for a game's loss without a game, and the like."""
    target = get_object(cfg.loss._target_)
    if isinstance(target, type) and issubclass(target, Loss) and kind is Criterion:
        raise InputError(
            f"loss: {target.__name__} is for two players, and this model has one: leave loss out"
        )
    if isinstance(target, type) and issubclass(target, Criterion) and kind is Loss:
        raise InputError(f"loss: {target.__name__} is for a model of one player; use loss=gan_ns")
    return make("loss", cfg.loss, kind)


def _classes(cfg: DictConfig, dataset: Dataset) -> int:
    """How many classes the model is told of. Raises InputError for data without."""
    if cfg.model.get("condition") is None:
        return 0
    if not dataset.classes:
        raise InputError(
            f"model.condition={cfg.model.condition}: this data set has no classes; use data=mnist, or "
            "model.condition=null"
        )
    return len(dataset.classes)


def _takes_classes(part: str, model: DictConfig) -> None:
    target = model[part]._target_
    if "classes" not in inspect.signature(get_object(target)).parameters:
        raise InputError(
            f"model.condition={model.condition}: {target} cannot be told of a class; use model=dcgan, mlp or "
            "vae, or model.condition=null"
        )


def _autocast(cfg: DictConfig) -> torch.dtype | None:
    return torch.bfloat16 if cfg.runtime.precision == "bf16" else None


def side(
    cfg: DictConfig, name: Literal["generator", "critic"], scope: Scope, tricks: Tricks, dtype: torch.dtype
) -> Side:
    """One player: its network with the layers that tricks put there, its optimiser, its terms."""
    extra: dict[str, Any] = {"shape": scope.shape}
    if name == "generator":
        extra |= {"latent": scope.prior.size + scope.condition, "pixel_range": scope.pixel_range}
    else:
        extra = {"shape": (scope.shape[0] * tricks.samples, *scope.shape[1:])}
        if scope.prior.classes:
            _takes_classes("critic", cfg.model)
            told = scope.prior.classes * tricks.samples  # the labels of a pack, one after the other
            extra |= {"classes": told, "condition": cfg.model.condition}

    for trick, layer in tricks.layers:
        if name == layer.side == "generator" and scope.condition and isinstance(layer, VirtualBatchNorm):
            raise InputError(f"trick={trick}: its reference batch is told of no class; leave it out")

    def factory() -> nn.Module:
        module: nn.Module = make(f"model.{name}", cfg.model[name], nn.Module, **extra)
        for trick, layer in tricks.layers:
            if layer.side == name:
                module = refusing(f"trick.{trick}", cfg.trick[trick], layer.into, module)
        return module

    optimiser: Transform = make(f"optimizer.{name}", cfg.optimizer[name], Transform)
    terms = tuple(term for term in tricks.terms if term.side == name)
    alone = any(getattr(term, "alone", False) for term in terms)
    network = Network(factory, dtype, _autocast(cfg), cfg.runtime.channels_last)
    return Side(network, tricks.chained(optimiser, name), terms, not alone)
