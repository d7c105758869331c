"""The configs of a Laplacian pyramid's games: the run's, but for what `model.levels.<side>` says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gan_cli.errors import InputError, nearest
from gan_cli.schema import KEYS, TARGET, refuse_unknown
from gan_cli.values import show

_NETWORKS = ("generator", "critic")
_OWN = ("loss", "trick", "optimizer", "critic_steps", *_NETWORKS)
"""What a level may have for itself; all else is the run's."""

Plain = Mapping[str, Any]


def configs(config: Plain, sides: tuple[int, ...]) -> Iterator[tuple[int, Plain]]:
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
        game = run | {name: _merged(run[name], value, f"{at}.{name}") for name, value in level.items()}
        yield side, game | {"model": {name: game.pop(name) for name in _NETWORKS}}


def _check(level: Any, at: str) -> None:
    if not isinstance(level, Mapping):
        raise InputError(f"{at}={show(level)} holds no settings; it may have {', '.join(_OWN)}")
    refuse_unknown(level, list(_OWN), at)
    for name, value in level.items():
        if name in KEYS:
            KEYS[name].fit(f"{at}.{name}", value)
        elif not isinstance(value, Mapping):
            way = f"change one with +{at}.{name}.<setting>="
            if name not in _NETWORKS:
                way = f"choose an option with +{name}@{at}.{name}="
            raise InputError(f"{at}.{name}={show(value)} holds no settings; {way}")


def _merged(run: Any, own: Any, at: str) -> Any:
    """The run's value with what a level says of it, at that key."""
    if not isinstance(own, Mapping) or TARGET in own:
        return own
    if TARGET in run:
        refuse_unknown(own, [*run], at)
        return {**run, **own}
    found = dict(run)
    for name, value in own.items():
        here = f"{at}.{name}"
        if value is None and at.endswith(".trick"):
            found.pop(name, None)
        elif isinstance(value, Mapping) and (name in run or TARGET in value):
            found[name] = _merged(run.get(name, {}), value, here)
        else:
            raise InputError(f"{here}={show(value)} changes nothing that is there{nearest(name, [*run])}")
    return found
