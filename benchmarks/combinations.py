"""What combines with what, told by building it: python -m benchmarks.combinations > docs/combinations.md."""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from gan_cli import configuration
from gan_cli.build import Experiment, build
from gan_cli.cli.compose import plan
from gan_cli.cli.request import parse
from gan_cli.errors import InputError

CONFIGS = Path(__file__).parent.parent / "configs"
IMAGES = ("data=fake", "data.size=16", "data.count=40", "batch_size=4", "device=cpu")
POINTS = ("data=ring", "batch_size=4", "device=cpu")
SMALL: dict[str, tuple[str, ...]] = dict.fromkeys(
    ("dcgan", "dcgan_small", "mlp", "resnet"), ("model.width=4",)
)
SMALL["mlp_fgan"] = ("model.generator.width=4", "model.critic.width=4")
PERMISSIVE = ("model=dcgan", "model.width=4", "model.critic.norm=layer")
"""A generator with BatchNorm and a critic without: the networks that refuse no trick."""

HEAD = """# What combines

This page is made by `python -m benchmarks.combinations`, which builds every combination and notes what is
refused; a test holds it to the code. As many tricks as one likes may stand in one list if every pair of them
may. The reasons stand below each table in the words of the command line;
[decision 004](decisions/004-refused-combinations.md) says more of them. Whatever is not refused trains,
resumes bitwise and runs in an ensemble: the tests walk every pair with four losses and two families of
networks.
"""


def options(group: str) -> list[str]:
    """The names of a group's options."""
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


@cache
def composed(*overrides: str) -> dict[str, Any]:
    """The checked config of a command line, with every trick there is."""
    line = [*overrides, f"trick=[{','.join(options('trick'))}]"]
    return configuration.check(plan(parse(line)).jobs[0].config)


def built(overrides: Sequence[str], tricks: Mapping[str, Mapping[str, Any]]) -> Experiment:
    """The experiment of that command line with only these tricks, each with some arguments replaced."""
    config = composed(*overrides)
    chosen = {name: config["trick"][name] | dict(changed) for name, changed in tricks.items()}
    return build(OmegaConf.create(config | {"trick": chosen}))


def refusal(overrides: Sequence[str], *tricks: str) -> str | None:
    """Why these tricks are refused, or None."""
    try:
        built(overrides, {trick: {} for trick in tricks})
    except InputError as error:
        return str(error)
    return None


class Notes:
    """Reasons by number, in the order in which they came up."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def mark(self, reason: str | None) -> str:
        """✓ where there is no reason, else its number."""
        if reason is None:
            return "✓"
        # The same of several tricks, each by its own name, is one reason.
        general = re.sub(r"^trick=\w+: it", "it", reason)
        return str(self.numbers.setdefault(general, len(self.numbers) + 1))

    def __str__(self) -> str:
        return "\n".join(f"{number}. {reason}" for reason, number in self.numbers.items())


def table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, its first column to the left."""
    head = list(head)
    lines = [head, ["---", *[":-:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def pairs() -> str:
    """Trick by trick."""
    tricks, notes = options("trick"), Notes()
    two = itertools.combinations(tricks, 2)
    found = {pair: notes.mark(refusal((*IMAGES, *PERMISSIVE), *pair)) for pair in two}
    letters = dict(zip(tricks, string.ascii_letters.swapcase(), strict=False))

    def row(a: str) -> list[str]:
        return [f"{letters[a]} `{a}`", *(found.get((a, b)) or found.get((b, a), "") for b in tricks)]

    said = (
        "With the tricks' defaults, on images, by `dcgan` with BatchNorm in the generator and "
        "`model.critic.norm=layer`, which\nrefuse no trick alone.\n\n"
    )
    return f"## Tricks\n\n{said}{table(['', *letters.values()], map(row, tricks))}\n\n{notes}\n"


def models() -> str:
    """Each trick by each model, on images, and on points."""
    notes = Notes()
    lines = {f"`{name}`": (*IMAGES, f"model={name}", *SMALL.get(name, ())) for name in options("model")}
    lines["`mlp`, points"] = (*POINTS, "model=mlp", *SMALL["mlp"])
    rows = [
        [f"`{trick}`", *(notes.mark(refusal(line, trick)) for line in lines.values())]
        for trick in options("trick")
    ]
    said = "With the models' defaults, on images; in the last column on points."
    return f"## Tricks and models\n\n{said}\n\n{table(['', *lines], rows)}\n\n{notes}\n"


def losses() -> str:
    """Each trick by each loss: only what is refused, since nearly nothing is."""
    small = (*POINTS, "model=mlp_fgan", *SMALL["mlp_fgan"])
    lists = lists_of(small)
    of_games = [loss for loss in options("loss") if refusal((*small, f"loss={loss}")) is None]
    found = [
        f"- `{trick}` with `loss={loss}`: {reason}"
        for loss in of_games
        for several in lists
        if refusal((*small, f"loss={loss}"), *several) is not None
        for trick in several
        if (reason := refusal((*small, f"loss={loss}"), trick)) is not None
    ]
    return "## Tricks and losses\n\nEvery trick goes with every loss but\n\n" + "\n".join(found) + "\n"


def lists_of(overrides: Sequence[str]) -> list[list[str]]:
    """All tricks that the command line allows, in a few lists that it allows."""
    lists: list[list[str]] = [[]]
    for trick in options("trick"):
        home = next((several for several in lists if refusal(overrides, *several, trick) is None), None)
        if home is not None:
            home.append(trick)
        elif refusal(overrides, trick) is None:
            lists.append([trick])
    return lists


def page() -> str:
    """The whole page."""
    return "\n".join((HEAD, pairs(), models(), losses()))


if __name__ == "__main__":
    print(page(), end="")
