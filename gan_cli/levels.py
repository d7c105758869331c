"""The configs of a Laplacian pyramid's games: the run's, but for what `model.levels.<side>` says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gan_cli.errors import InputError
from gan_cli.schema import GROUPS, KEYS, TARGET, refuse_unknown
from gan_cli.values import show

_NETWORKS = ("generator", "critic")
_OWN = ("loss", "trick", "optimizer", "critic_steps", *_NETWORKS)
"""What a level may have for itself; all else is the run's."""

Config = Mapping[str, Any]


def configs(config: Config, sides: tuple[int, ...]) -> Iterator[tuple[int, Config]]:
    """Each level's side, the coarsest first, and the config of its game.

    What a level says is merged into the run's: an option (`+loss@model.levels.14.loss=hinge`) takes the place
    of the run's, a trick joins the run's tricks, a single setting changes that setting, and null takes a
    trick away. Raises InputError for a level that is not there, and for a key that none has.
    """
    model = config["model"]
    if not isinstance(model["levels"], Mapping):
        raise InputError(f"model.levels={show(model['levels'])} holds no levels, such as {{{sides[0]}: …}}")
    own = {str(name): level for name, level in model["levels"].items()}
    for name in own:
        if name not in map(str, sides):
            there = ", ".join(map(str, sides))
            raise InputError(f"model.levels.{name}: there is no such level; their sides are {there}")
    for side in sides:
        at, level = f"model.levels.{side}", own.get(str(side), {})
        _check(level, at)
        networks = model if side == sides[0] else model["residual"]
        run = {**config, **{name: networks[name] for name in _NETWORKS}}
        game = dict(run)
        for name, value in level.items():
            merge = _tricks if name == "trick" and isinstance(value, Mapping) else _merged
            game[name] = merge(run[name], value, f"{at}.{name}")
        yield side, game | {"model": {name: game.pop(name) for name in _NETWORKS}}


def _check(level: Any, at: str) -> None:
    if not isinstance(level, Mapping):
        raise InputError(f"{at}={show(level)} holds no settings; it may have {', '.join(_OWN)}")
    refuse_unknown(level, list(_OWN), at)
    for name in level.keys() & KEYS:
        KEYS[name].fit(f"{at}.{name}", level[name])


def _merged(run: Any, own: Any, at: str) -> Any:
    """The run's value with what a level says of it, at that key."""
    if isinstance(run, Mapping) and not isinstance(own, Mapping):
        group = at.rpartition(".")[2]
        option = f", or choose an option with +{group}@{at}=" if group in GROUPS else ""
        raise InputError(f"{at}={show(own)} holds no settings; change one with +{at}.<setting>={option}")
    if not isinstance(own, Mapping) or TARGET in own:
        return own
    refuse_unknown(own, [*run] if isinstance(run, Mapping) else [], at)
    return {**run, **{name: _merged(run[name], value, f"{at}.{name}") for name, value in own.items()}}


def _tricks(run: Config, own: Config, at: str) -> Config:
    """The run's tricks without those that a level takes away, with its changes, and with its own."""
    added = {name: node for name, node in own.items() if isinstance(node, Mapping) and TARGET in node}
    there = {name: node for name, node in own.items() if name not in added}
    refuse_unknown(there, [*run], at)
    changed = {
        name: _merged(run[name], node, f"{at}.{name}") for name, node in there.items() if node is not None
    }
    kept = {name: node for name, node in run.items() if own.get(name, node) is not None}
    return kept | changed | added
