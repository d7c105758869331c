"""`gan-compare`: runs side by side, in the terminal or as markdown, csv or one HTML file. No torch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import gan_cli
from gan_cli.cli import program
from gan_cli.errors import InputError, RunError, nearest

if TYPE_CHECKING:
    from gan_cli.comparison.papers import Beside
    from gan_cli.comparison.table import Table
    from gan_cli.comparison.text import By, Sheet, Which

COMMAND = "gan-compare"
Format = Literal["terminal", "markdown", "csv", "html"]
_FORMATS: dict[str, Format] = {name: name for name in get_args(Format)}
_SUFFIXES: dict[str, Format] = {".html": "html", ".htm": "html", ".md": "markdown", ".csv": "csv"}
_KEYS = ("format", "out", "paper", "by", "metrics", "best")
_FLAGS = ("--help", "-h", "--version")
_PAGE = "comparison.html"

HELP = f"""\
gan-compare: runs side by side, what differs in their settings and what came out

usage: gan-compare FOLDER ... [key=value ...]

examples
  gan-compare outputs/sweeps/2026-01-31/12-00-00          a sweep: a row a setting, means over seeds
  gan-compare outputs format=html out=report.html         table, curves, samples and settings in one file
  gan-compare outputs metrics=[kde,modes_covered] best=best
  gan-compare outputs paper=fgan_table4                   beside the published numbers

Runs are looked for at and below the folders. Words may come in any order.

keys
  format    terminal, markdown, csv or html; default: by the end of out, else terminal
  out       the file to write; default: standard output, for html {_PAGE}
  by        group: a row for all seeds of a setting; run: a row a run; or the settings that make a group,
            as by=loss or by=[loss,model.width]: means go over all else (default: group)
  metrics   which numbers, as metrics=[kde,reverse_kl]; default: all evaluations
  best      last: of the last step; best: the best of all steps, where one way is better (default: last)
  paper     a published table beside ours:
            PAPERS

flags
  --help, -h
  --version
"""


@dataclass(frozen=True)
class Asked:
    """A command line taken apart. by: None for all settings; given: whether by names settings or a view."""

    folders: list[Path]
    format: Format
    out: Path | None
    paper: str | None
    view: By
    by: list[str] | None
    metrics: list[str]
    best: Which


def main() -> None:
    """The console command; ends the process with its exit code."""
    program.ended(command, COMMAND)


def command(argv: Sequence[str]) -> int:
    """Run one command line; its exit code. Raises InputError for all that a user can do wrong."""
    if "--help" in argv or "-h" in argv:
        from gan_cli.comparison import papers

        print(HELP.replace("PAPERS", ", ".join(papers.names())), end="")
        return 0
    if "--version" in argv:
        print(f"{COMMAND} {gan_cli.__version__}")
        return 0
    asked = parse(argv)
    from gan_cli.comparison import papers, runs, table

    published = papers.load(asked.paper) if asked.paper is not None else None
    found = runs.read(asked.folders)
    if not found.runs:
        places = ", ".join(map(str, asked.folders))
        other = "".join(f", but {n} folder(s) with {what}" for what, n in found.others.items())
        raise InputError(f"{places}: there are no runs of gan-train at or below it{other}")
    made = table.table(found, asked.metrics, asked.by)
    _write(asked, made, papers.beside(published, made) if published is not None else None)
    return 0


def parse(argv: Sequence[str]) -> Asked:
    """Take the command line apart. Raises InputError for what is no folder, key or value of one."""
    folders, given = [], {}
    for word in argv:
        if word.startswith("-"):
            raise InputError(f"there is no flag {word}{nearest(word, _FLAGS)}")
        key, equals, value = word.partition("=")
        if not equals or (key not in _KEYS and Path(word).expanduser().exists()):
            folders.append(_folder(word))
        elif key not in _KEYS:
            raise InputError(f"there is no key {key}{nearest(key, _KEYS) or ': ' + ', '.join(_KEYS)}")
        elif not value:
            raise InputError(f"{key}= has no value")
        else:
            given[key] = value
    if not folders:
        raise InputError(f"name a folder with runs, such as {COMMAND} outputs")
    out = Path(given["out"]).expanduser() if "out" in given else None
    if out is not None and out.is_dir():
        raise InputError(f"out={given['out']} is a folder: name a file in it")
    implied = _SUFFIXES.get(out.suffix.lower(), "terminal") if out is not None else "terminal"
    chosen = _one("format", given.get("format", implied), _FORMATS)
    words = _listed(given.get("by", "group"))
    view: By = "run" if words == ["run"] else "group"
    best = _one("best", given.get("best", "last"), {"last": "last", "best": "best"})
    return Asked(
        folders,
        _FORMATS[chosen],
        out if out is not None or chosen != "html" else Path(_PAGE),
        given.get("paper"),
        view,
        None if words in (["run"], ["group"]) else words,
        _listed(given.get("metrics", "")),
        "best" if best == "best" else "last",
    )


def _folder(word: str) -> Path:
    path = Path(word).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise InputError(f"{word} is a file; name the run's folder, or one above it")
    beside = [p.name for p in path.parent.iterdir() if p.is_dir()] if path.parent.is_dir() else []
    keys = [key for key in _KEYS if key == word]
    raise InputError(
        f"{word}: there is no such folder{nearest(path.name, beside)}"
        + "".join(f"; the key is given as {key}=…" for key in keys)
    )


def _one(key: str, value: str, options: dict[str, str] | dict[str, Format]) -> str:
    if value not in options:
        raise InputError(f"{key}={value}: must be one of {', '.join(options)}{nearest(value, options)}")
    return value


def _listed(text: str) -> list[str]:
    """The words of `a`, `a,b` or `[a, b]`."""
    return [word for part in text.strip("[] ").split(",") if (word := part.strip(" '\""))]


def _write(asked: Asked, table: Table, beside: Beside | None) -> None:
    from gan_cli.comparison import text

    notes = _legend(table, asked)
    if asked.format == "terminal" and asked.out is None:
        from gan_cli.cli import tables

        tables.show(_sheets(asked, table, beside), [*(beside.notes if beside else []), *notes])
        return
    if asked.format == "html":
        from gan_cli.comparison import report

        content = report.page(table, beside, notes, asked.best, asked.view)
    elif asked.format == "csv":
        content = text.comma_separated(table, asked.view)
    else:
        content = text.markdown(_sheets(asked, table, beside), [*(beside.notes if beside else []), *notes])
    if asked.out is None:
        sys.stdout.write(content)
        return
    _save(asked.out, content)
    print(f"{len(table.runs)} run{'s' * (len(table.runs) != 1)}: {asked.out}")


def _sheets(asked: Asked, table: Table, beside: Beside | None) -> list[tuple[str, Sheet]]:
    from gan_cli.comparison import text

    own = text.sheet(table, asked.view, asked.best)
    return [(beside.title, beside.sheet), ("All runs", own)] if beside else [("", own)]


def _legend(table: Table, asked: Asked) -> list[str]:
    """What the signs mean, then what is to be known of these runs."""
    own = table.spread if asked.view == "group" else "the metric's own standard error"
    rows = table.groups if asked.view == "group" else table.single
    shown = any(number.error is not None for row in rows for number in row.last.values())
    signs = [f"±: {own}"] if shown else []
    protocols: dict[str, list[str]] = {}
    for name, said in table.about.items():
        protocols.setdefault(said, []).append(name)
    signs += [f"{', '.join(names)}: {said}" for said, names in protocols.items()]
    if asked.best == "best":
        aimless = [name for name in table.metrics if name not in table.better]
        signs += [f"neither way is better for {', '.join(aimless)}"] if aimless else []
    return [*signs, *table.notes]


def _save(path: Path, content: str) -> None:
    from gan_cli.files import write_atomic

    try:
        write_atomic(path, content)
    except RunError as error:
        raise InputError(f"out={path}: {error}") from error


if __name__ == "__main__":
    main()
