"""The typed schema: the top-level keys and the groups, with their meaning, types and ranges.

This module imports nothing but the standard library, so that `--help` and a refused override are answered
at once. The arguments of a `_target_` are no business of the schema: its signature is theirs
(see `gan_cli.configuration`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gan_cli.errors import InputError, nearest
from gan_cli.keys import Key
from gan_cli.values import show

TARGET = "_target_"


KEYS: dict[str, Key] = {
    "steps": Key("updates of the generator; default: the experiment's or the data's own", int, 1, True),
    "batch_size": Key("examples in each batch", int, 1),
    "seed": Key("of everything random", int, 0, most=2**63 - 1),
    "device": Key("auto takes a GPU where there is one", Literal["auto", "cpu", "cuda"], None, True),
    "critic_steps": Key("updates of the critic for each of the generator", int, 1),
    "log_every": Key("steps between logged numbers; 0: never", int, 0, True),
    "sample_every": Key("steps between sample grids; 0: never; default: 500, for points 1000", int, 0, True),
    "checkpoint_every": Key(
        "steps between checkpoints; 0: only at the end; default: 500, for points 1000", int, 0, True
    ),
    "evaluate_every": Key("steps between evaluations; 0: never; default: 500, for points 1000", int, 0, True),
    "keep_checkpoints": Key("how many of the last checkpoints stay", int, 1, True),
    "keep_best": Key("the number by whose best value one more checkpoint stays", str | None, None, True),
    "prune": Key(
        "finished runs of a sweep from which on one behind their median ends early", int | None, 1, True
    ),
    "prune_warmup": Key("steps before which no run is pruned", int, 0, True),
    "watchdog": Key(
        "what numbers that are not finite do to the run", Literal["warn", "stop", "off"], None, True
    ),
    "resume": Key("folder of a run to go on with", str | None, None, True),
    "name": Key("a word for the run, added to its folder's name", str | None, None, True),
}

GROUPS: dict[str, str] = {
    "data": "what to learn",
    "model": "generator, critic and latent prior; or a density",
    "loss": "what the players play for, or what a density minimises",
    "trick": "any number of them, as a list",
    "metric": "what else is measured at each evaluation, as a list",
    "optimizer": "of the generator and of the critic",
    "runtime": "numbers and speed",
    "experiment": "a known setting of all the rest",
    "study": "a series of such runs, with its table and figure, instead of one",
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
        "precision": Key("of the players' arithmetic", Literal["fp32", "tf32", "bf16", "fp64"]),
        "compile": Key("compile rounds; auto where it pays", Literal["off", "auto", "on"], None, True),
        "cuda_graph": Key("launch a GPU's rounds as one", Literal["auto", "off"], None, True),
        "deterministic": Key("only kernels whose results repeat to the bit", bool, None, True),
        "profile": Key("steps that are traced once the run is warm; 0: none", int, 0, True),
        "batch_norm": Key("under torchrun: of the whole batch, or each process's", Literal["sync", "ghost"]),
        "channels_last": Key("lay images out with their channels innermost", bool, None, True),
        "threads": Key("CPU threads; null: torch's choice", int | None, 1, True, most=1024),
        "resident_mb": Key("MiB of data kept on the device; more is read from disk as it goes", int, 0, True),
    },
}


# The keys of these groups' nodes where the model is one of one player.
ONE_PLAYER: dict[str, dict[str, Key]] = {
    "model": {"density": Key("a model of one player", dict)},
    "optimizer": {"generator": Key("the model's", dict)},
}

LISTS = ("trick", "metric")
"""The groups of which any number of options may be chosen."""


@dataclass(frozen=True)
class Schema:
    """What the config of one command holds.

    main: its main config file; nodes: the groups that are no single `_target_`; shared: the groups whose
    options are those of another folder, so that `p=ring` stands for Hydra's `data@p=ring`; own: whether a
    user's own groups count, too.
    """

    command: str
    main: str
    keys: Mapping[str, Key]
    groups: Mapping[str, str]
    nodes: Mapping[str, Mapping[str, Key]] = field(default_factory=dict)
    shared: Mapping[str, str] = field(default_factory=dict)
    own: bool = False

    def folder(self, group: str) -> str:
        """The folder of config files that holds a group's options."""
        return self.shared.get(group, group)

    def options(self, found: Mapping[str, list[str]]) -> dict[str, list[str]]:
        """Each group's options, from what was found in each folder of config files."""
        own = [group for group in found if self.own and group not in ESTIMATE.groups]
        return {group: found.get(self.folder(group), []) for group in dict.fromkeys([*self.groups, *own])}


TRAIN = Schema("gan-train", "train", KEYS, GROUPS, NODES, own=True)
ESTIMATE = Schema(
    command="gan-estimate",
    main="estimate",
    keys={
        "steps": Key("updates of the critic", int, 1),
        "batch_size": Key("examples of p and of q in each update", int, 2),
        "samples": Key(
            "held-out examples a side; null: two million points or 10,000 images", int | None, 100
        ),
        "checks": Key("how often on the way the bound is taken on validation examples", int, 1),
        "average": Key("the share of the last steps over which parameters are averaged", float, 0),
        "seed": KEYS["seed"],
        "device": KEYS["device"],
        "threads": Key("CPU threads; null: torch's choice", int | None, 1, most=1024),
        "optimizer": Key("of the critic", dict),
        "name": Key("a word for the estimate, added to its folder's name", str | None),
    },
    groups={
        "p": "the law whose divergence from q is measured",
        "q": "the law that it is measured from",
        "loss": "which divergence, and by which bound",
        "critic": "the network that is trained",
    },
    shared={"p": "data", "q": "data"},
)

CHECKPOINT = Key("last, best (by the run's keep_best) or a step", str)
_NAMED_CHECKPOINTS = ("last", "best")


def refuse_no_checkpoint(which: str) -> None:
    """Raise InputError for a value of `checkpoint` that names none."""
    if which not in _NAMED_CHECKPOINTS and not which.isdecimal():
        meant = nearest(which, _NAMED_CHECKPOINTS)
        raise InputError(f"checkpoint must be last, best or a step, got '{which}'{meant}")


EVALUATE = Schema(
    command="gan-eval",
    main="evaluate",
    keys={
        "run": Key("folder of a run, or one with runs below it", str | None),
        "checkpoint": CHECKPOINT,
        "seed": Key("of everything random; null: each run's own", int | None, 0, most=2**63 - 1),
        "device": KEYS["device"],
        "threads": Key("CPU threads; null: each run's own", int | None, 1, most=1024),
    },
    groups={"metric": "what is measured, as a list; none: what each run itself measured"},
)


def check(config: Mapping[str, Any], schema: Schema = TRAIN) -> dict[str, Any]:
    """The config with every value in its type; nodes under a `_target_` are passed through.

    Raises InputError naming the key, the value and the nearest right spelling.
    """
    refuse_unknown(config, [*schema.keys, *schema.groups])
    model = config.get("model")
    nodes = (
        {**schema.nodes, **ONE_PLAYER} if isinstance(model, Mapping) and "density" in model else schema.nodes
    )
    checked: dict[str, Any] = {}
    for name, key in schema.keys.items():
        if name not in config:
            raise InputError(f"{name} is missing: it can be changed, not removed")
        checked[name] = _target(name, config[name]) if key.type is dict else key.fit(name, config[name])
    for group in schema.groups:
        if group == "study" and not config.get(group):
            checked[group] = None
        elif group != "experiment":
            checked[group] = _node(group, config.get(group), nodes)
    return checked


def refuse_unknown(found: Mapping[str, Any], known: list[str], at: str = "") -> None:
    """Raise InputError for the first key of `found` that is not known, with the nearest that is."""
    for name in found:
        if name not in known:
            where = f"{at}.{name}" if at else str(name)
            raise InputError(f"there is no key {where}{nearest(name, known)}")


def _node(group: str, node: Any, nodes: Mapping[str, Mapping[str, Key]]) -> dict[str, Any]:
    if not isinstance(node, Mapping):
        raise InputError(f"{group}={show(node)} holds no settings: choose an option with {group}=<option>")
    if group in LISTS and TARGET in node:
        raise InputError(
            f"a file of the group {group} needs '# @package {group}.<its name>' as its first line"
        )
    if group in LISTS:
        return {name: _target(f"{group}.{name}", part) for name, part in node.items()}
    if group not in nodes:
        return _target(group, node)
    checked = dict(node)  # a model may carry keys of its own that its parts refer to
    for name, key in nodes[group].items():
        if name not in node:
            alone = group in ONE_PLAYER and ONE_PLAYER[group].keys() <= node.keys()
            why = f": this {group} is for models of one player, and a game has two" if alone else ""
            raise InputError(f"{group}.{name} is missing{why}")
        if key.type is dict:
            checked[name] = _target(f"{group}.{name}", node[name])
        else:
            checked[name] = key.fit(f"{group}.{name}", node[name])
    if group == "runtime":
        refuse_unknown(node, list(nodes[group]), group)
    return checked


def _target(at: str, node: Any) -> dict[str, Any]:
    if not isinstance(node, Mapping):
        raise InputError(f"{at} must be a mapping with a {TARGET}, got {show(node)}")
    if not isinstance(node.get(TARGET), str):
        raise InputError(f"{at} has no {TARGET}, the class that its settings are for")
    return dict(node)
