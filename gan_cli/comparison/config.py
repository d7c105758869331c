"""The settings of a run, from the files that Hydra left: values, chosen options, and what counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_cli.schema import KEYS, LISTS, NODES, TARGET

Values = dict[str, Any]
_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLACES = ("data.root", "data.cache", "data.download")
_NOT_A_GROUP = ("experiment", "study", *LISTS)


@dataclass(frozen=True)
class Config:
    """values: nested, with references resolved; raw: as written; options: the chosen one of each group."""

    values: Values = field(default_factory=dict)
    raw: Values = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def other(self) -> str | None:
        """What the folder holds where that is no run of a game: None for a run."""
        if self.values.get("study"):
            return "a study"
        return "something else" if self.values and "model" not in self.values else None

    def flat(self) -> Values:
        """Every value by its dotted key."""
        return flat(self.values)

    @cached_property
    def law(self) -> Values:
        """What decides the run's numbers, but for the seed, in comparable form.

        Options stand under their group (loss: "fgan_kl"), the tricks' names under `trick`, and a reference to
        another key as it is written: it differs only with that key, or where it was replaced.
        """
        found: Values = dict(self.options)
        tricks = self.values.get("trick")
        if isinstance(tricks, Mapping):
            found["trick"] = ", ".join(sorted(map(str, tricks))) or "none"
        for key, value in flat(self.raw).items():
            top = key.split(".")[0]
            # What is empty in one run stands under longer keys in another.
            if key not in _IGNORED and top != "metric" and key != "trick" and value != {}:
                found.setdefault(key, _plain(value))
        return found

    def shown(self, key: str) -> Any:
        """The value behind a key of `law`: a class by its name, a reference resolved; None where there is
        none."""
        if key in self.options or key == "trick":
            return self.law.get(key)
        value = at(self.values, key)
        if key.endswith(TARGET) and isinstance(value, str):
            return value.rpartition(".")[2]
        return value


def flat(node: Any, prefix: str = "") -> Values:
    """Nested mappings as one, by dotted keys.

    >>> flat({"a": {"b": 1, "c": {}}})
    {'a.b': 1, 'a.c': {}}
    """
    if not isinstance(node, Mapping) or not node:
        return {prefix: node} if prefix else {}
    inner = [flat(value, f"{prefix}.{name}" if prefix else str(name)) for name, value in node.items()]
    return {key: value for part in inner for key, value in part.items()}


def at(node: Any, key: str) -> Any:
    """The value at a dotted key, None where there is none."""
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def read_config(folder: Path) -> tuple[Config, list[str]]:
    """The newest complete settings below a run's `.hydra`, and what was wrong with the files.

    A resumption leaves its own in `resume-<n>`.
    """
    resumed = [p for p in folder.glob("resume-*") if p.name[7:].isdecimal()]
    for place in [*sorted(resumed, key=lambda p: -int(p.name[7:])), folder]:
        raw = _yaml(place / "config.yaml")
        if isinstance(raw, dict) and raw:
            named = {str(key): value for key, value in raw.items()}
            return Config(_resolved(named), named, _options(place / "hydra.yaml", named)), []
    return Config(), ["its settings are missing" if not folder.is_dir() else "its settings cannot be read"]


def _yaml(path: Path) -> Any:
    try:
        return yaml.load(path.read_bytes(), _Loader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return None


def _resolved(raw: Values) -> Values:
    try:
        found = OmegaConf.to_container(OmegaConf.create(raw), resolve=True)
    except (OmegaConfBaseException, ValueError):  # a reference to what is not there stays as it is
        return raw
    return found if isinstance(found, dict) else raw  # type: ignore[return-value]


def _options(path: Path, values: Values) -> dict[str, str]:
    """The chosen option of each group that is there; the class's name where Hydra's file does not tell."""
    hydra = _yaml(path)
    chosen = at(hydra, "hydra.runtime.choices") if isinstance(hydra, dict) else None
    found = {}
    for name, option in chosen.items() if isinstance(chosen, Mapping) else ():
        group = str(name).rpartition("@")[2]
        if option and group in values and group not in _NOT_A_GROUP and not group.startswith("hydra"):
            found[group] = str(option)
    return found


def _plain(value: Any) -> Any:
    """The value in a form that can be compared and hashed."""
    plain = isinstance(value, str | int | float | None) and value == value  # NaN equals nothing
    return value if plain else repr(value)


def _ignored() -> frozenset[str]:
    """The keys that change nothing but where a run lies, what is written and how fast it goes."""
    tops = {name for name, key in KEYS.items() if key.resumable} - {"steps"}
    inner = {f"{g}.{name}" for g, keys in NODES.items() for name, key in keys.items() if key.resumable}
    return frozenset({*tops, *inner, *_PLACES, "seed", "study"})


_IGNORED = _ignored()
