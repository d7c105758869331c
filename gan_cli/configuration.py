"""Holding the config's `_target_`s to what they name: the class is there, its signature takes them.

This is the half of the checks that imports torch; `gan_cli.schema` is the other.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
import traceback
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gan_cli.errors import InputError, nearest
from gan_cli.schema import LISTS, TARGET
from gan_cli.values import describe, fit

RESERVED = (TARGET, "_partial_", "_args_", "_convert_", "_recursive_")
FILLED: dict[str, tuple[str, ...]] = {
    "model.generator": ("latent", "shape", "pixel_range"),
    "model.critic": ("shape",),
    "model.density": ("shape",),
    "critic": ("shape",),
    "trick": ("loss",),
    "metric": ("loss", "critic", "density", "dataset"),
}
OFFERED: dict[str, tuple[str, ...]] = {
    "model.critic": ("classes", "condition"),
    "model.density": ("classes",),
}
"""What the run fills in, too, where the target takes it: it alone can be told of classes."""
_LEVEL = re.compile(r"^model\.(residual|levels\.[^.]+)\.(?=generator$|critic$)")
"""A network of one level of a pyramid is filled in as one of a game."""
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def check(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with the arguments of every `_target_` held to its signature and put in its types.

    Imports the targets and constructs nothing. Raises InputError for a target that is not there and for a
    wrong, missing or mistyped argument, naming key, value and nearest right spelling.
    """
    return {name: _walk(node, name) for name, node in config.items()}


def _walk(value: Any, at: str) -> Any:
    if isinstance(value, Mapping):
        if TARGET in value:
            return _node(value, at)
        return {name: _walk(inner, f"{at}.{name}") for name, inner in value.items()}
    if isinstance(value, list):
        return [_walk(inner, f"{at}[{i}]") for i, inner in enumerate(value)]
    return value


def _node(node: Mapping[str, Any], at: str) -> dict[str, Any]:
    target = locate(node[TARGET], f"{at}.{TARGET}")
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):  # a few built-in callables have none
        return dict(node)
    short, hints = node[TARGET].rpartition(".")[2], _hints(target)
    named = {n: p for n, p in signature.parameters.items() if p.kind not in _VARIADIC}
    open_ended = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in signature.parameters.values())
    checked: dict[str, Any] = {name: node[name] for name in node if name in RESERVED}
    for name, value in node.items():
        if name in RESERVED:
            continue
        if name in (*filled(at), *OFFERED.get(at, ())):
            raise InputError(f"{at}.{name} is filled in by the run itself: leave it out")
        if name not in named and not open_ended:
            raise InputError(f"there is no {at}.{name}: {short} takes no '{name}'{nearest(name, named)}")
        default = named[name].default if name in named else None
        checked[name] = _argument(value, hints.get(name, Any), default, f"{at}.{name}")
    for name in () if open_ended or at.startswith(("trick.", "metric.")) else filled(at):
        if name not in named:
            raise InputError(f"{at}: {short} takes no '{name}', which the run fills in: add that argument")
    if not node.get("_partial_") and "_args_" not in node:
        _refuse_missing(named, {*checked, *filled(at), *OFFERED.get(at, ())}, at, short)
    return checked


def _refuse_missing(named: Mapping[str, inspect.Parameter], present: set[str], at: str, short: str) -> None:
    for name, parameter in named.items():
        if parameter.default is inspect.Parameter.empty and name not in present:
            raise InputError(f"{at}.{name} is missing: {short} needs it")


def _argument(value: Any, wanted: Any, default: Any, at: str) -> Any:
    if isinstance(value, Mapping) and TARGET in value:
        checked = _node(value, at)
        made = locate(value[TARGET], at)
        if not value.get("_partial_") and isinstance(made, type) and not _fits(made, wanted):
            raise InputError(f"{at} must be {describe(wanted)}, got {value[TARGET]}")
        return checked
    try:
        return fit(_walk(value, at), wanted, default in (float("inf"), -float("inf")))
    except ValueError as error:
        raise InputError(f"{at} {error}") from None


def _fits(made: type, wanted: Any) -> bool:
    """Whether an object of class `made` satisfies the annotation, as far as that can be told."""
    if typing.get_origin(wanted) in (typing.Union, types.UnionType):
        return any(_fits(made, kind) for kind in typing.get_args(wanted))
    try:
        return issubclass(made, wanted)
    except TypeError:  # Any, a protocol, a generic: nothing to hold the class to
        return True


def filled(at: str) -> tuple[str, ...]:
    """The arguments that the run fills in for the target at this place of the config."""
    at = _LEVEL.sub("model.", at)
    group, _, rest = at.partition(".")
    return FILLED[group] if group in LISTS and rest and "." not in rest else FILLED.get(at, ())


def locate(path: str, at: str) -> Callable[..., Any]:
    """The class or function at a dotted path. Raises InputError with the nearest name where it breaks off."""
    parts = path.split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        raise InputError(f"{at}={path}: write the dotted path of a class, such as gan_cli.losses.wgan.WGAN")
    found: Any = _module(parts[0], at, path)
    if found is None:
        raise InputError(
            f"{at}={path}: no module '{parts[0]}' here; modules are looked for in the current folder, beside "
            f"the folder of --config-dir, and on PYTHONPATH{nearest(parts[0], ['gan_cli', 'torch'])}"
        )
    for depth, part in enumerate(parts[1:], start=2):
        inner = getattr(found, part, None)
        if inner is None and isinstance(found, types.ModuleType):
            inner = _module(".".join(parts[:depth]), at, path)
        if inner is None:
            raise InputError(
                f"{at}={path}: {'.'.join(parts[: depth - 1])} has no '{part}'{_near(part, found)}"
            )
        found = inner
    if isinstance(found, types.ModuleType) or not callable(found):
        raise InputError(f"{at}={path} is no class and no function{_near(parts[-1], found)}")
    return typing.cast(Callable[..., Any], found)


def _module(name: str, at: str, path: str) -> types.ModuleType | None:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            return None
        raise InputError(f"{at}={path}: importing it failed: {error}") from error
    except (Exception, SystemExit) as error:  # a user's module may raise anything at all
        raise InputError(f"{at}={path}: importing it failed: {_where(error)}") from error


def _where(error: BaseException) -> str:
    """Type, text and the file and line that the error came from."""
    frames = traceback.extract_tb(error.__traceback__)
    file, line = (frames[-1].filename, frames[-1].lineno) if frames else ("", 0)
    if isinstance(error, SyntaxError):
        file, line = error.filename or file, error.lineno
        return f"{type(error).__name__}: {error.msg} ({Path(file).name}, line {line})"
    return f"{type(error).__name__}: {error} ({Path(file).name}, line {line})"


def _near(word: str, holder: Any) -> str:
    inside = {name: name for name in dir(holder) if not name.startswith("_")}
    inside |= {module.name: module.name for module in pkgutil.iter_modules(getattr(holder, "__path__", []))}
    by_lower_case = {name.lower(): name for name in inside}
    if word.lower() in by_lower_case:
        return f" (did you mean '{by_lower_case[word.lower()]}'?)"
    return nearest(word, inside)


def _hints(target: Callable[..., Any]) -> dict[str, Any]:
    source: Any = target
    if isinstance(target, type) and not dataclasses.is_dataclass(target):
        source = inspect.getattr_static(target, "__init__")
    try:
        return typing.get_type_hints(source)
    except (NameError, TypeError, AttributeError):  # names that exist for type checkers only
        return {}
