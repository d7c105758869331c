"""The text of `--help`, read from the schema and the config files: no hydra, no torch."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from gan_cli.cli.folders import options
from gan_cli.errors import InputError, nearest
from gan_cli.sampling.options import SAMPLE
from gan_cli.schema import ESTIMATE, EVALUATE, TRAIN, Schema
from gan_cli.values import show

_WIDTH = 100

_TRAIN = """\
gan-train: adversarial training from the command line

usage: gan-train [group=option ...] [key=value ...] [flags]

examples
  gan-train                                           the default experiment, no download
  gan-train model=dcgan loss=fgan_kl data=mnist       choose options
  gan-train 'trick=[unrolled,instance_noise]' trick.unrolled.steps=10
  gan-train --multirun loss=gan_ns,wgan seed=0,1,2    a sweep: six runs
  gan-train resume=outputs/2026-01-31/12-00-00-ab12cd34 steps=20000
"""

_ESTIMATE = """\
gan-estimate: a critic alone between two laws, and the divergence that it shows on unseen examples

usage: gan-estimate [group=option ...] [key=value ...] [flags]

examples
  gan-estimate                                        a Gaussian and a mixture in the plane, by f-GAN's JS
  gan-estimate loss=fgan_kl p=gaussian p.mean=[0] q=gaussian q.mean=[1]
  gan-estimate p=mnist p.split=train q=mnist q.split=test critic=conv
  gan-estimate p=mnist q=run q.folder=outputs/2026-01-31/12-00-00-ab12cd34 critic=conv
  gan-estimate --multirun loss=gan,fgan_js,fgan_kl seed=0,1,2
"""

_EVALUATE = """\
gan-eval: measures of the generators of finished runs, kept beside each run

usage: gan-eval run=<folder> [metric=[...]] [key=value ...] [flags]

examples
  gan-eval run=outputs/2026-01-31/12-00-00-ab12cd34   once more what the run itself measured
  gan-eval run=outputs 'metric=[kde,kid]' metric.kde.samples=1000
  gan-eval run=outputs/2026-01-31/12-00-00-ab12cd34 checkpoint=best metric=kde
  gan-eval --multirun run=outputs/2026-01-31/12-00-00-ab12cd34 checkpoint=1000,1500,2000
"""

_SAMPLE = """\
gan-sample: pictures and samples from the generator of a finished run

usage: gan-sample run=<folder> [what=...] [key=value ...] [flags]

examples (RUN stands for a folder such as outputs/2026-01-31/12-00-00-ab12cd34)
  gan-sample run=RUN                                  a grid of 64 samples, or a plot of 1000 points
  gan-sample run=RUN n=50000 format=npz               for evaluators: uint8 [n, height, width, channels]
  gan-sample run=RUN truncation=0.7
  gan-sample run=RUN what=interpolation path=slerp rows=4 columns=12
  gan-sample run=RUN numbers=true n=100               numbers to choose from, then
  gan-sample run=RUN what=arithmetic 'a=[3,17,40]' 'b=[1,5,9]' 'c=[8,20,33]'
  gan-sample run=RUN what=arithmetic a=label:3 b=label:2 c=label:8
  gan-sample run=RUN what=neighbours k=5
  gan-sample run=RUN what=animation frame_ms=100
  gan-sample run=RUN method=drs refit=2000            discriminator rejection sampling, by a fresh critic
  gan-sample --multirun run=RUN checkpoint=1000,1500,2000
"""

_USAGE = {
    TRAIN.command: _TRAIN,
    ESTIMATE.command: _ESTIMATE,
    EVALUATE.command: _EVALUATE,
    SAMPLE.command: _SAMPLE,
}

_FLAGS = """\
flags
  --cfg job                 show the composed config and do not run it (--resolve: without ${...})
  --multirun, -m            run every combination of the comma-separated values
  --config-dir FOLDER       add your own config files
  --info [defaults|...]     show where the config comes from
  --shell-completion        eval "$(COMMAND --shell-completion install=bash)"
  --hydra-help              the flags and groups of Hydra, which runs the command line
  --version
"""


def text(folders: Sequence[Path], words: Sequence[str] = (), schema: Schema = TRAIN) -> str:
    """The help for the groups and options found in the folders, of which the first holds the main config.

    words: groups whose options are to be described one by one; none of them: the whole help. Raises
    InputError for a word that is neither a group nor a key.
    """
    found = schema.options(options(folders))
    tops = [re.split(r"[=.@/]", word.lstrip("+~"))[0] for word in words if not word.startswith("-")]
    for top in tops:
        known = [*found, *schema.keys, "hydra"]
        if top not in known:
            raise InputError(f"--help {top}: there is no group or key {top}{nearest(top, known)}")
    if named := [top for top in dict.fromkeys(tops) if top in found]:
        return (
            "\n".join(line for group in named for line in _described(group, found[group], folders, schema))
            + "\n"
        )
    main: dict[str, Any] = yaml.safe_load((folders[0] / f"{schema.main}.yaml").read_text(encoding="utf-8"))
    flags = _FLAGS.replace("COMMAND", schema.command)
    usage = _USAGE[schema.command]
    groups = [*_groups(found, _chosen(main), schema), ""] if found else []
    return "\n".join([usage, *groups, *_keys(main, schema), "", flags])


def _described(group: str, names: list[str], folders: Sequence[Path], schema: Schema) -> Iterator[str]:
    """A group's options, each with the first comment of its file."""
    yield f"{group}: {schema.groups.get(group, '')}".removesuffix(": ")
    inner = schema.folder(group)
    width = max(len(name) for name in names) + 2
    for name in names:
        file = next(path for folder in folders if (path := folder / inner / f"{name}.yaml").is_file())
        comments = (
            line[1:].strip() for line in file.read_text(encoding="utf-8").splitlines() if line[:1] == "#"
        )
        first = next((comment for comment in comments if not comment.startswith("@package")), "")
        yield from _wrapped(first, f"  {name:<{width}}", width + 2) or [f"  {name}"]


def _chosen(main: dict[str, Any]) -> dict[str, Any]:
    """The default option of each group."""
    entries = [entry for entry in main["defaults"] if isinstance(entry, dict)]
    return {group.rpartition("@")[2]: option for entry in entries for group, option in entry.items()}


def _groups(found: dict[str, list[str]], chosen: dict[str, Any], schema: Schema) -> list[str]:
    group, option = ("loss", "fgan_kl") if "loss" in schema.groups else ("metric", "kde")
    lines = [
        f"groups (group=option; `{schema.command} --help {group}` describes the options of one,",
        f"`{schema.command} --cfg job --package {group} {group}={option}` shows what an option sets)",
    ]
    for group in [*schema.groups, *sorted(set(found) - set(schema.groups))]:
        default = f"default: {_word(chosen[group])}" if group in chosen else "not set"
        lines.append(f"  {group}: {'; '.join(part for part in (schema.groups.get(group), default) if part)}")
        lines += _wrapped(", ".join(found.get(group, [])) or "(no option yet)", "      ", 6)
    return lines


def _keys(main: dict[str, Any], schema: Schema) -> list[str]:
    own = "; a group's own settings are reached as group.key=value" if schema.groups else ""
    lines = [f"keys (key=value{own})"]
    for name, key in schema.keys.items():
        value = main.get(name)
        computed = isinstance(value, str) and "${" in value
        default = "" if computed else f"; default: {_word(value)}"
        lines += _wrapped(f"{key.meaning} ({key.kind}{default})", f"  {name:<18}", 20)
    return lines


def _word(value: Any) -> str:
    if isinstance(value, bool):  # yaml's bare on and off
        return "on" if value else "off"
    return value if isinstance(value, str) else show(value)


def _wrapped(words: str, first: str, indent: int) -> list[str]:
    return textwrap.wrap(
        words, _WIDTH, initial_indent=first, subsequent_indent=" " * indent, break_on_hyphens=False
    )
