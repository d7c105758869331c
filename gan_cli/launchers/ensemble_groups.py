"""Which jobs of a sweep can stand in one ensemble, and why others cannot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.utils import get_object

from gan_cli import checkpoint
from gan_cli.build import Experiment
from gan_cli.lifting import lifted

_FREE = {
    *("seed", "steps", "name", "resume", "metric", "watchdog", "keep_checkpoints", "keep_best"),
    *("log_every", "sample_every", "checkpoint_every", "evaluate_every", "prune", "prune_warmup"),
}
"""What runs side by side may differ in, as it is no part of a round."""
_BUILT = ("loss", "trick", "optimizer")
"""What is compared as it was built: its floats may differ."""


def alone(config: dict[str, Any], built: Experiment) -> str | None:
    """Why a job must run by itself; None if nothing is known against it."""
    if config.get("study"):
        return "it is a study, which trains many runs by itself"
    if built.ranks.count > 1:
        return "its processes share the batches"
    if config["runtime"]["profile"]:
        return "runtime.profile traces one run, and not those beside it"
    if getattr(built.plain, "recompute", False):
        return "trick.unrolled.recompute=true: an ensemble keeps all moves"
    return None


def key(config: dict[str, Any], built: Experiment, folder: Path | None) -> Any:
    """What jobs must have in common to share an ensemble, to be compared by ==.

    folder: that of a run that goes on, None for a new one.
    """
    shared = {name: node for name, node in config.items() if name not in (*_FREE, *_BUILT)}
    # A layer is part of a network by now, whose numbers are no arguments of a round.
    layers = {name: node for name, node in config["trick"].items() if _is_layer(node)}
    found = checkpoint.latest_good(folder)[0] if folder is not None else None
    return shared, layers, lifted(built.plain).form, found.step if found else 0


def grouped(keys: Sequence[Any]) -> list[list[int]]:
    """The positions of equal keys together, in the order of their first.

    >>> grouped(["a", "b", "a"])
    [[0, 2], [1]]
    """
    groups: list[list[int]] = []
    for position, one in enumerate(keys):
        same = next((group for group in groups if keys[group[0]] == one), None)
        if same is None:
            groups.append([position])
        else:
            same.append(position)
    return groups


def _is_layer(node: dict[str, Any]) -> bool:
    return hasattr(get_object(node["_target_"]), "into")
