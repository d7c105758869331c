"""Turning what Hydra, OmegaConf and YAML refuse into one line that a user can act on."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError

from gan_cli.cli.overrides import unknown
from gan_cli.errors import InputError, nearest
from gan_cli.schema import LISTS, TARGET

_GLOBAL = "an experiment file needs '# @package _global_' as its first line"
# Options that plugins of Hydra bring, and the extra that installs each.
_EXTRAS = {
    "hydra/launcher/ray": "ray",
    "hydra/launcher/submitit_local": "submitit",
    "hydra/launcher/submitit_slurm": "submitit",
    "hydra/sweeper/optuna": "optuna",
}
# ValueError: a file that is no UTF-8. AssertionError: how Hydra meets some defaults lists. UserWarning:
# a search path that is not there.
_CAUGHT = (HydraException, OmegaConfBaseException, YAMLError, ValueError, AssertionError, UserWarning)


@contextmanager
def one_line(blame: Callable[[], str | None] = lambda: None) -> Iterator[None]:
    """Turn an error of Hydra, OmegaConf or YAML in the block into an InputError; `blame` may know better."""
    try:
        yield
    except _CAUGHT as error:
        raise InputError(_blamed(blame) or explain(error)) from error


def _blamed(blame: Callable[[], str | None]) -> str | None:
    try:
        return blame()
    except _CAUGHT:
        return None  # the mistake is not in an override; the first error says where


def explain(error: BaseException) -> str:
    """The error in one line, from the innermost cause that says most."""
    if isinstance(error, AssertionError):
        return "a defaults list cannot be composed: its 'override' lines must come last"
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and cause not in causes:
        causes.append(cause)
    for cause in causes:
        if isinstance(cause, MarkedYAMLError) and cause.problem_mark is not None:
            mark = cause.problem_mark
            return f"{_shown(mark.name)}, line {mark.line + 1}: {cause.problem or cause.context}"
        if isinstance(cause, MissingMandatoryValue):
            key = getattr(cause, "full_key", None) or str(cause).rpartition(" ")[2]
            return f"{key} has no value: set it with {key}=..."
        if isinstance(cause, MissingConfigException):
            return _missing(cause)
    if "@experiment." in str(error):
        return f"{str(error).split(':')[0]}: {_GLOBAL}"
    texts = [" ".join(_first(cause).split()) for cause in causes[:2]]
    said = [text for i, text in enumerate(texts) if text and not any(text in other for other in texts[:i])]
    return ": ".join(said) or type(error).__name__


def _missing(error: MissingConfigException) -> str:
    options = list(error.options or [])
    if (extra := _EXTRAS.get(str(error.missing_cfg_file))) is not None:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        return f"{group}={name} is not installed: pip install 'gan-train[{extra}]'"
    wanted = str(error.missing_cfg_file or "").rpartition("/")[2]
    return " ".join(_first(error).split()) + (nearest(wanted, options) or _listed(options))


def _listed(options: list[str]) -> str:
    return f"; there are {', '.join(options)}" if 0 < len(options) <= 30 else ""


def _first(error: BaseException) -> str:
    """The message without Hydra's appendix of search paths and OmegaConf's of types."""
    text = (
        str(error).split("\nAvailable options")[0].split("\nConfig search path")[0].split("\nSearch path")[0]
    )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    key = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("full_key:")), "")
    kept = " ".join(line for line in lines if not line.startswith(("full_key:", "object_type=", "See https")))
    return f"{key}: {kept}" if key and key not in kept else kept


def _shown(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def strangers(
    config: DictConfig, base: DictConfig, options: Mapping[str, list[str]], chosen: Container[str]
) -> None:
    """Refuse the keys of `config` that `base`, the chosen options alone, does not have (InputError).

    A node with a `_target_` may have more: its signature decides. chosen: the lists, such as trick, that the
    command line has set, so that an experiment may have settings for what is not among them.
    """
    for many in LISTS:
        for name, node in (base.get(many) or {}).items():
            if TARGET not in node:
                raise InputError(f"{many}.{name} has no {TARGET}, the class that its settings are for")
    for key in _paths(config, base):
        if key.startswith("experiment"):
            raise InputError(_GLOBAL)
        group, _, name = key.partition(".")
        if group in LISTS and name in options[group] and group in chosen:
            continue
        if key.startswith("model.levels.") and "levels" in base.model:  # which the build knows by their sides
            continue
        reason = unknown(key, base, options)
        if reason is not None:
            raise InputError(f"{reason} (set by an experiment file or with +)")


def _paths(config: DictConfig, base: Any, at: str = "") -> Iterator[str]:
    """The dotted keys of `config`, down to where `base` ends or a target's own arguments begin."""
    for name in map(str, config):
        if not at and name == "hydra":
            continue
        path = f"{at}.{name}" if at else str(name)
        node = None if OmegaConf.is_missing(config, name) else config._get_node(name)
        known = isinstance(base, DictConfig) and name in base
        if isinstance(node, DictConfig) and known and not (node._is_none() or node._is_interpolation()):
            if TARGET not in node:
                yield from _paths(node, base._get_node(name), path)
        else:
            yield path
