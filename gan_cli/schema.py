"""The typed schema: the top-level keys and the groups, with their meaning, types and ranges.

This module imports nothing but the standard library, so that `--help` and a refused override are answered
at once. The arguments of a `_target_` are no business of the schema: its signature is theirs
(see `gan_cli.configuration`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gan_cli.errors import InputError, nearest
from gan_cli.values import describe, fit, show

TARGET = "_target_"


@dataclass(frozen=True)
class Key:
    """One key: its meaning in a line, its type, its range, and whether it may change on resume."""

    meaning: str
    type: Any
    least: int | None = None
    resumable: bool = False
    most: int = 2**31 - 1

    def fit(self, name: str, value: Any) -> Any:
        """The value in the key's type. Raises InputError naming key and value."""
        try:
            value = fit(value, self.type)
            if self.least is not None and value is not None and value < self.least:
                raise ValueError(f"must be at least {self.least}, got {value}")
            if isinstance(value, int) and value > self.most:
                raise ValueError(f"must be at most {self.most}, got {value}")
        except ValueError as error:
            raise InputError(f"{name} {error}") from None
        return value

    @property
    def kind(self) -> str:
        """Type and range in words."""
        return describe(self.type) + ("" if self.least is None else f" ≥ {self.least}")


KEYS: dict[str, Key] = {
    "steps": Key("updates of the generator; default: the experiment's or the data's own", int, 1, True),
    "batch_size": Key("examples in each batch", int, 1),
    "seed": Key("of everything random", int, 0, most=2**63 - 1),
    "device": Key("auto takes a GPU where there is one", Literal["auto", "cpu", "cuda"], None, True),
    "critic_steps": Key("updates of the critic for each of the generator", int, 1),
    "log_every": Key("steps between logged numbers; 0: never", int, 0, True),
    "sample_every": Key("steps between sample grids; 0: never", int, 0, True),
    "checkpoint_every": Key("steps between checkpoints; 0: only at the end", int, 0, True),
    "evaluate_every": Key("steps between evaluations; 0: never", int, 0, True),
    "keep_checkpoints": Key("how many of the last checkpoints stay", int, 1, True),
    "watchdog": Key(
        "what numbers that are not finite do to the run", Literal["warn", "stop", "off"], None, True
    ),
    "resume": Key("folder of a run to go on with", str | None, None, True),
    "name": Key("a word for the run, added to its folder's name", str | None, None, True),
}

GROUPS: dict[str, str] = {
    "data": "what to learn",
    "model": "generator, critic and latent prior",
    "loss": "what the players play for",
    "trick": "any number of them, as a list",
    "optimizer": "of the generator and of the critic",
    "runtime": "numbers and speed",
    "experiment": "a known setting of all the rest",
}

# Keys of the groups whose node is no single `_target_`. A group that is not here holds one.
NODES: dict[str, dict[str, Key]] = {
    "model": {
        "latent": Key("size of the latent", int, 1),
        "prior": Key("distribution of the latent", Literal["normal", "uniform"]),
        "generator": Key("a generator", dict),
        "critic": Key("a critic", dict),
    },
    "optimizer": {
        "generator": Key("the generator's", dict),
        "critic": Key("the critic's", dict),
    },
    "runtime": {
        "precision": Key("of the players' arithmetic", Literal["fp32", "fp64", "bf16"]),
        "compile": Key("let torch.compile fuse the step", Literal["off", "on"], None, True),
        "threads": Key("CPU threads; null: torch's choice", int | None, 1, True, most=1024),
        "resident_mb": Key("MiB of data kept on the device; more is read from disk as it goes", int, 0, True),
    },
}


def check(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with every value in its type; nodes under a `_target_` are passed through.

    Raises InputError naming the key, the value and the nearest right spelling.
    """
    refuse_unknown(config, [*KEYS, *GROUPS])
    checked: dict[str, Any] = {}
    for name, key in KEYS.items():
        if name not in config:
            raise InputError(f"{name} is missing: it can be changed, not removed")
        checked[name] = key.fit(name, config[name])
    for group in GROUPS:
        if group != "experiment":
            checked[group] = _node(group, config.get(group))
    return checked


def refuse_unknown(found: Mapping[str, Any], known: list[str], at: str = "") -> None:
    """Raise InputError for the first key of `found` that is not known, with the nearest that is."""
    for name in found:
        if name not in known:
            where = f"{at}.{name}" if at else str(name)
            raise InputError(f"there is no key {where}{nearest(name, known)}")


def _node(group: str, node: Any) -> dict[str, Any]:
    if not isinstance(node, Mapping):
        raise InputError(f"{group}={show(node)} holds no settings: choose an option with {group}=<option>")
    if group == "trick" and TARGET in node:
        raise InputError("a file of the group trick needs '# @package trick.<its name>' as its first line")
    if group == "trick":
        return {name: _target(f"trick.{name}", part) for name, part in node.items()}
    if group not in NODES:
        return _target(group, node)
    checked = dict(node)  # a model may carry keys of its own that its parts refer to
    for name, key in NODES[group].items():
        if name not in node:
            raise InputError(f"{group}.{name} is missing")
        if key.type is dict:
            checked[name] = _target(f"{group}.{name}", node[name])
        else:
            checked[name] = key.fit(f"{group}.{name}", node[name])
    if group == "runtime":
        refuse_unknown(node, list(NODES[group]), group)
    return checked


def _target(at: str, node: Any) -> dict[str, Any]:
    if not isinstance(node, Mapping):
        raise InputError(f"{at} must be a mapping with a {TARGET}, got {show(node)}")
    if not isinstance(node.get(TARGET), str):
        raise InputError(f"{at} has no {TARGET}, the class that its settings are for")
    return dict(node)
