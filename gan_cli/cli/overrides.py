"""Reading overrides one by one: syntax, groups, options and keys, with a suggestion for what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, QuotedString, Sweep
from hydra.errors import HydraException

from gan_cli.errors import InputError, nearest
from gan_cli.schema import LISTS, TRAIN, Schema
from gan_cli.values import show

OPTIONAL = ("experiment", "study", *LISTS)
_JARGON = r"token recognition error|extraneous input|mismatched input|no viable|missing [A-Z_]+ at"


def read(lines: Sequence[str], options: Mapping[str, list[str]], schema: Schema = TRAIN) -> list[str]:
    """The overrides with `trick=x` written as the list that Hydra takes, `p=x` as `data@p=x`; all else as it
    was.

    Hydra takes no null for a group: `experiment=null` is what holds without it and is left out, `study=null`
    is `study=none`, which undoes an experiment's.

    options: each group's. Raises InputError for the first override that cannot be read, or that names a
    group, an option or a top-level key that is not there.
    """
    written = [_one(parse(line, options), options, schema) for line in lines]
    named = ["study=none" if line == "study=null" else line for line in written]
    return [line for line in named if line != "experiment=null"]


def parse(line: str, options: Mapping[str, list[str]]) -> Override:
    """One override taken apart by Hydra's grammar. Raises InputError for what is not `key=value`."""
    if line.startswith("=") or ("=" not in line and not line.startswith("~")):
        groups = [group for group, names in options.items() if line in names]
        example = f"{groups[0]}={line}" if groups else "data=mnist"
        raise InputError(f"'{line}' is no override: write key=value without spaces, such as {example}")
    try:
        return OverridesParser.create().parse_override(line)
    except (HydraException, ValueError) as error:  # ValueError: a number of thousands of digits
        said = next(iter(str(error).splitlines()), "").removeprefix(f"Error parsing override '{line}'")
        reason = _unclosed(line) or ("" if re.search(_JARGON, said) else said)
        hint = "put a value with special characters in quotes: 'key=\"value\"'"
        raise InputError(f"cannot read '{line}': {reason or hint}") from None


def key_of(override: Override) -> str:
    """What an override changes, without its +, ++ or ~."""
    package = f"@{override.package}" if override.package else ""
    return f"{override.key_or_group}{package}"


def _unclosed(line: str) -> str:
    pairs = {"[": "]", "{": "}", "(": ")"}
    for opening, closing in pairs.items():
        if line.count(opening) != line.count(closing):
            return (
                f"its {opening}{closing} do not match (and the shell wants quotes around them: 'trick=[a,b]')"
            )
    return "a quote is not closed" if any(line.count(quote) % 2 for quote in "'\"") else ""


def _one(override: Override, options: Mapping[str, list[str]], schema: Schema) -> str:
    line, key = str(override.input_line), override.key_or_group
    if override.is_hydra_override() or override.package is not None or "/" in key:
        return line
    if key in options:
        chosen = _group(override, options[key])
        return f"{schema.folder(key)}@{chosen}" if key in schema.shared else chosen
    top = key.split(".")[0]
    known = [*schema.keys, *options, "hydra"]
    if top not in known:
        raise InputError(f"{line}: there is no key {top}{nearest(top, known)}")
    if override.is_delete() and key in schema.keys:
        raise InputError(f"{line}: a setting can be changed, not removed")
    return line


def _group(override: Override, options: list[str]) -> str:
    """A choice of options, checked; a single trick becomes a list of one.

    `+experiment=x`, as Hydra has it for a group that its defaults leave out, means `experiment=x` here.
    """
    line, group = str(override.input_line), override.key_or_group
    if override.is_delete():
        if group in OPTIONAL:
            return f"{group}=[]" if group in LISTS else f"{group}=null"
        raise InputError(f"{line}: a run needs its {group}; choose another with {group}=<option>")
    if isinstance(override._value, Glob):
        chosen = override._value.filter(options)
        if not chosen:
            raise InputError(f"{line} matches no option of {group}; there are {', '.join(options)}")
        return (
            f"{group}={','.join(chosen)}"
            if group not in LISTS
            else f"{group}={','.join(f'[{c}]' for c in chosen)}"
        )
    values: Iterable[Any]
    if isinstance(override._value, Sweep):
        values = list(override.sweep_iterator()) if override.is_discrete_sweep() else []
    else:
        values = [override.value()]
    written = [_choice(_plain(value), group, line, options) for value in values]
    return f"{group}={','.join(written)}" if written else line


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.text if isinstance(value, QuotedString) else value


def _choice(value: Any, group: str, line: str, options: list[str]) -> str:
    """One value of a group as Hydra's grammar has it."""
    if value is None and group in OPTIONAL:
        return "[]" if group in LISTS else "null"
    names = value if isinstance(value, list) and group in LISTS else [value]
    for name in names:
        if isinstance(name, list):
            raise InputError(f"{line}: {group} takes one option, not the list {show(name)}")
        if str(name).removesuffix(".yaml") not in options:
            known = f"; there are {', '.join(options)}" if len(options) <= 30 else ""
            what = f"there is no {group}={name if name is not None else 'null'}"
            raise InputError(f"{what}{nearest(str(name), options) or known}")
        if names.count(name) > 1:
            raise InputError(f"{line}: the {group} '{name}' is there twice")
    return f"[{','.join(map(str, names))}]" if group in LISTS else str(names[0])


def unknown(key: str, config: Mapping[str, Any], options: Mapping[str, list[str]]) -> str | None:
    """Why a dotted key does not lead anywhere in the config, or None where it does."""
    node: Any = config
    walked: list[str] = []
    for part in key.split("."):
        where = ".".join(walked)
        if not isinstance(node, Mapping):
            return f"there is no key {key}: {where} is {show(node)}, without keys of its own"
        if part not in node:
            many = walked[0] if len(walked) == 1 and walked[0] in LISTS else None
            if many and part in options.get(many, []):
                chosen = ",".join([*(str(name) for name in node), part])
                return f"{key} belongs to a {many} that is not chosen: add '{many}=[{chosen}]'"
            path = ".".join([*walked, part])
            if walked and not node and walked[0] not in LISTS:
                return f"there is no key {path}: {where} is empty; add to it with +{key}="
            here = options[many] if many else list(map(str, node))
            return f"there is no key {path}{nearest(part, here) or _listed(here, where)}"
        node = node[part]
        walked.append(part)
    return None


def _listed(names: list[str], where: str) -> str:
    shown = [name for name in names if not name.startswith("_")]
    return f"; {where or 'the config'} has {', '.join(shown)}" if 0 < len(shown) <= 12 else ""
