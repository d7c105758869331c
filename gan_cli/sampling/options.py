"""What `gan-sample` may be asked, and which of it goes together. Imports no torch."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Literal

from gan_cli.errors import InputError
from gan_cli.keys import Key
from gan_cli.sampling import expression
from gan_cli.schema import CHECKPOINT, KEYS, Schema, refuse_no_checkpoint
from gan_cli.values import show

What = Literal["grid", "interpolation", "arithmetic", "neighbours", "animation", "examples"]
Format = Literal["png", "npz", "files", "gif", "webp"]
_GROUP = Key("arithmetic: numbers of samples, or label:<class>", list[int] | str | None)

SAMPLE = Schema(
    command="gan-sample",
    main="sample",
    keys={
        "run": Key("folder of a run, finished or not", str | None),
        "what": Key("what is drawn; examples: of the training data", What),
        "checkpoint": CHECKPOINT,
        "n": Key("how many; null: 64 images, 1000 points, 8 rows of neighbours, all frames", int | None, 1),
        "format": Key("null: png, of an animation gif", Format | None),
        "seed": Key("of the latents; the same seed draws the same samples", int, 0, most=2**63 - 1),
        "out": Key("folder for what is drawn; null: <run>/generated", str | None),
        "method": Key("drs keeps what the critic's density ratio keeps", Literal["plain", "drs"]),
        "percentile": Key("drs: from 0 to 100, the higher the choosier; null: exact", float | None, 0),
        "burn_in": Key("drs: samples from which the greatest ratio is taken", int, 100),
        "refit": Key("drs: updates of a fresh critic for the ratio; 0: the run's own critic", int, 0),
        "label": Key("class of all samples; null: each its own", int | None, 0),
        "truncation": Key("no latent goes beyond it; null: the whole prior", float | None),
        "columns": Key("of the page; interpolation: steps of each way", int | None, 1, most=1000),
        "rows": Key("interpolation: ways, one a row", int, 1, most=1000),
        "path": Key(
            "interpolation: auto is slerp, of a uniform prior lerp",
            Literal["auto", "slerp", "lerp", "circle"],
        ),
        "numbers": Key("grid: write each sample's number below it; animation: the step", bool | None),
        "expression": Key("arithmetic: a sum of the groups a, b, c and d", str),
        **dict.fromkeys(expression.GROUPS, _GROUP),
        "members": Key("arithmetic: samples of each label", int, 1),
        "confidence": Key("arithmetic: the least probability of a label, up to 1", float, 0),
        "noise": Key("arithmetic: half the width of the noise around the result", float, 0),
        "k": Key("neighbours: training examples beside each sample", int, 1, most=1000),
        "frames": Key("animation: of which pictures, by their name in the run's samples folder", str),
        "frame_ms": Key("animation: milliseconds a step", int, 20, most=60000),
        "device": KEYS["device"],
        "threads": Key("CPU threads; null: the run's own", int | None, 1, most=1024),
    },
    groups={},
)

_DRAWN = ("grid", "interpolation", "arithmetic", "neighbours")
_GOES_WITH: dict[str, tuple[str, ...]] = {
    "checkpoint": _DRAWN,
    "n": ("grid", "arithmetic", "neighbours", "animation", "examples"),
    "seed": (*_DRAWN, "examples"),
    **dict.fromkeys(("method", "percentile", "burn_in", "refit", "truncation", "label"), _DRAWN),
    "columns": ("grid", "interpolation", "examples"),
    **dict.fromkeys(("rows", "path"), ("interpolation",)),
    "numbers": ("grid", "animation"),
    **dict.fromkeys(("expression", *expression.GROUPS, "members", "confidence", "noise"), ("arithmetic",)),
    "k": ("neighbours",),
    **dict.fromkeys(("frames", "frame_ms"), ("animation",)),
}
"""The keys that mean something for some `what` only."""
_FORMATS: dict[str, tuple[str, ...]] = {"animation": ("gif", "webp")} | dict.fromkeys(
    ("grid", "examples"), ("png", "npz", "files")
)


def settled(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The config with its format. Raises InputError for what no run could draw.

    defaults: the values that nobody chose.
    """
    if not config["run"]:
        raise InputError("run has no value: set it with run=<folder>, that of a run")
    what = config["what"]
    refuse_no_checkpoint(config["checkpoint"])
    if config["truncation"] is not None and config["truncation"] <= 0:
        raise InputError(f"truncation must be above 0, got {config['truncation']:g}")
    for name, most in (("percentile", 100), ("confidence", 1)):
        if config[name] is not None and config[name] > most:
            raise InputError(f"{name} must be at most {most}, got {config[name]:g}")
    for name in changed(config, defaults):
        if what not in _GOES_WITH.get(name, (what,)):
            told = f"{name}={show(config[name])} goes with what={' or '.join(_GOES_WITH[name])}"
            raise InputError(f"{told}, not with what={what}")
    _refuse_idle(
        config, ("percentile", "burn_in", "refit"), config["method"] == "drs", "method=drs", defaults
    )
    formats = _FORMATS.get(what, ("png",))
    chosen = config["format"] or formats[0]
    if chosen not in formats:
        raise InputError(f"format={chosen}: what={what} is written as {' or '.join(formats)}")
    _refuse_idle(config, ("columns", "numbers"), chosen not in ("npz", "files"), "format=png", defaults)
    if what == "arithmetic":
        _refuse_groups(config, defaults)
    return dict(config) | {"format": chosen}


def _refuse_idle(
    config: Mapping[str, Any], keys: tuple[str, ...], used: bool, goes_with: str, defaults: Mapping[str, Any]
) -> None:
    """Raise InputError where one of the keys is set and not used."""
    for name in changed(config, defaults):
        if name in keys and not used:
            raise InputError(f"{name}={show(config[name])} goes with {goes_with}")


def _refuse_groups(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Raise InputError for an expression or a group that cannot be read, and for a group without use."""
    sum_ = expression.terms(config["expression"])
    groups = {name: expression.members(name, config[name]) for name in sum_}
    for name in expression.GROUPS:
        if name not in sum_ and config[name] is not None:
            raise InputError(f"{name} is given and not in expression={config['expression']}")
    labels = any(isinstance(group, expression.Label) for group in groups.values())
    _refuse_idle(config, ("n", "members", "confidence"), labels, "groups such as a=label:3", defaults)


def changed(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[str]:
    """The keys whose values are not the defaults, in the schema's order."""
    return [name for name in SAMPLE.keys if name in defaults and config[name] != defaults[name]]


_NOT_IN_NAMES = ("run", "what", "checkpoint", "format", "seed", "out", "device", "threads")
_LONGEST = 120


def stem(config: Mapping[str, Any], defaults: Mapping[str, Any], step: int | None, mark: str) -> str:
    """The name of what is drawn, without its ending: another one for every other picture.

    step: that of the checkpoint, if one is drawn from; mark: what tells the run from others in one folder.
    """
    what = config["what"]
    if config["format"] in ("npz", "files") and what == "grid":
        what = "samples"
    words = [what] + ([f"{step:06d}"] if step is not None else []) + ([mark] if mark else [])
    if what in ("samples", *_GOES_WITH["seed"]):
        words.append(f"seed{config['seed']}")
    more = [_word(name, config[name]) for name in changed(config, defaults) if name not in _NOT_IN_NAMES]
    if sum(map(len, more)) > _LONGEST:
        more = [hashlib.blake2b("-".join(more).encode(), digest_size=6).hexdigest()]
    return "-".join([*words, *more])


def _word(name: str, value: Any) -> str:
    if isinstance(value, bool) and value:
        return name
    if name == "method":
        return str(value)
    if value is None:
        return f"{name}null"
    whole = isinstance(value, float) and value.is_integer()
    text = (
        "_".join(map(str, value)) if isinstance(value, list | tuple) else str(int(value) if whole else value)
    )
    return name + re.sub(r"[^\w.+-]", "_", "".join(text.split()))
