"""What a config's `_target_`s give; what they refuse is told in one line, with the key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from gan_cli.errors import InputError


def refusing(key: str, node: DictConfig, function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function gives, whose ValueError is told as that key's."""
    try:
        return function(*arguments)
    except ValueError as error:
        raise InputError(_placed(key, node, error)) from None


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
