"""Which options of a group are whose: told from the yamls, so that a new one is tested by being there."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from hydra.utils import get_object
from omegaconf import OmegaConf

from gan_cli.cli.compose import plan
from gan_cli.cli.request import parse
from gan_cli.criteria.base import Criterion
from gan_cli.losses.base import Loss

CONFIGS = Path(__file__).parent.parent / "configs"
SMALL = {
    "hidden": 8,
    "latent": 4,
    "width": 8,
    "burn_in": 3,
    "temperatures": 5,
    "chains": 4,
}
"""Sizes of a small density, of the keys that it has."""


def options(group: str) -> list[str]:
    """The options of a group."""
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


def two_players(optimizer: str) -> bool:
    """Whether an optimizer's file has one for a critic, too."""
    return "critic" in OmegaConf.load(CONFIGS / "optimizer" / f"{optimizer}.yaml")


@cache
def model_config(name: str) -> dict[str, Any]:
    """The composed node of a model."""
    config: dict[str, Any] = plan(parse([f"model={name}"])).jobs[0].config["model"]
    return config


def models(key: str) -> list[str]:
    """The models whose node has the key: `density` for one player, `levels` for a pyramid."""
    return [name for name in options("model") if key in model_config(name)]


def games() -> list[str]:
    """The models that are one game of two players."""
    return [name for name in options("model") if not model_config(name).keys() & {"density", "levels"}]


def losses(kind: type) -> list[str]:
    """The options of the group loss whose class is of that kind."""
    nodes = {name: OmegaConf.load(CONFIGS / "loss" / f"{name}.yaml") for name in options("loss")}
    targets = {name: get_object(str(OmegaConf.select(node, "_target_"))) for name, node in nodes.items()}
    return [name for name, target in targets.items() if issubclass(target, kind)]


def small(name: str) -> list[str]:
    """The overrides that make a density small: lists of sizes keep their length."""
    node = model_config(name)["density"]
    sizes = {key: [SMALL[key]] * len(old) if isinstance(old, list) else SMALL[key]
             for key, old in node.items() if key in SMALL}  # fmt: skip
    return [f"model.density.{key}={str(size).replace(' ', '')}" for key, size in sizes.items()]


GAMES, DENSITIES, PYRAMIDS = games(), models("density"), models("levels")
GAME_LOSSES, CRITERIA = losses(Loss), losses(Criterion)
GAME_OPTIMIZERS = [name for name in options("optimizer") if two_players(name)]
