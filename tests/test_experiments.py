"""Every experiment: its header, the commands that this names, and a run of two small steps from end to end.

A new file of configs/experiment is tested by being there. TINY and the tables below it make it small: their
values are set where the experiment has that key.
"""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from gan_cli.cli.compose import Job, plan
from gan_cli.cli.job import experiment
from gan_cli.cli.request import parse
from gan_cli.comparison import papers
from tests.cli.conftest import Command, folder, gan_train, restored  # noqa: F401 - fixtures
from tests.data.conftest import idx_root  # noqa: F401 - a fixture
from tests.kinds import CONFIGS, SMALL, options

TINY = {
    "steps": 2,
    "batch_size": 8,
    "device": "cpu",
    "log_every": 1,
    "sample_every": 2,
    "checkpoint_every": 2,
    "evaluate_every": 2,
    "runtime.compile": "off",
    "runtime.threads": 1,
}
TINY_MODEL = {"width": 8, "latent": 4, "growth": 1} | SMALL
"""Of keys of a model and its parts."""
TINY_METRIC = {
    "batch_size": 8,
    "cells": 2,
    "classifier_steps": 2,
    "evaluations": 3,
    "images": 4,
    "projections": 4,
    "reference": 20,
    "restarts": 2,
    "samples": 100,
    "steps": 2,
    "test": 20,
    "validation": 10,
}
"""Of keys of any metric; what is 0 stays so."""
TINY_STUDY = {
    "batches": 2,
    "columns": 2,
    "every": 2,
    "measure_every": 2,
    "points": 2,
    "samples": 20,
    "factors": "[1.0]",
    "seeds": 1,
    "steps": 10,
    "steps_ahead": "[0,1]",
    "trained": "[2]",
    "updates": 2,
}
"""Of keys of a study and its parts."""
LOCAL = ("ring", "grid", "mixture1d", "gaussian", "mixture", "digits", "fake", "mnist", "stacked_mnist")
"""Data that are here, or made here; for others noise of the same shape stands in."""

NAMES = options("experiment")
COMMAND = re.compile(r"^#(?: Commands?:| {9}) *(gan-\w+.*?)(?:\s{3,}.*)?$")
SETTINGS = re.compile(r"^# +([\w./+~-]+=\S+(?: [\w./+~-]+=\S+)*)$")


def test_every_experiment_is_here() -> None:
    assert len(NAMES) > 15


@cache
def commands(name: str) -> list[list[str]]:
    """The command lines of the header: those over several lines joined, a word for each <blank>."""
    found: list[str] = []
    continued = False
    for line in (CONFIGS / "experiment" / f"{name}.yaml").read_text().splitlines():
        command, settings = COMMAND.match(line), SETTINGS.match(line)
        if command:
            found.append(command[1])
        elif settings and continued:
            found[-1] += f" {settings[1]}"
        continued = bool(command or (settings and continued))
    return [shlex.split(re.sub(r"<[^>]*>", "folder", line)) for line in found]


@cache
def jobs(*argv: str) -> list[Job]:
    return plan(parse(list(argv))).jobs


@pytest.mark.parametrize("name", NAMES)
def test_its_header_names_commands_that_are_sound(name: str) -> None:
    lines = commands(name)
    assert lines, f"{name}.yaml has no line '# Command: gan-train …'"
    program, *argv = lines[0]
    assert program == "gan-train"
    assert {f"experiment={name}", f"+experiment={name}"} & set(argv)
    scripts = tomllib.loads((CONFIGS.parent / "pyproject.toml").read_text())["project"]["scripts"]
    for program, *argv in lines:
        assert program in scripts
        if program == "gan-train":
            found = jobs(*argv)
            several = "-m" in argv or "--multirun" in argv
            assert (len(found) > 1) == several, "one run, or several with -m"
            experiment(found[0].config | {"device": "cpu"})
        assert {word[6:] for word in argv if word.startswith("paper=")} <= set(papers.names())


@pytest.mark.parametrize("name", NAMES)
def test_either_spelling_is_the_same_experiment(name: str) -> None:
    assert jobs(f"experiment={name}")[0].config == jobs(f"+experiment={name}")[0].config


@cache
def own(name: str) -> dict[str, Any]:
    """What the experiment's file holds."""
    held: dict[str, Any] = yaml.safe_load((CONFIGS / "experiment" / f"{name}.yaml").read_text())
    return held


def chosen(name: str, group: str) -> str:
    """The option of a group that the experiment's file overrides."""
    return next(str(e[f"override /{group}"]) for e in own(name)["defaults"] if f"override /{group}" in e)


def leaves(node: Any, at: str = "") -> Iterator[tuple[str, str, Any]]:
    """(dotted key, its last word, value) of all that is no mapping."""
    for key, value in node.items() if isinstance(node, Mapping) else ():
        here = f"{at}.{key}" if at else str(key)
        yield from leaves(value, here) if isinstance(value, Mapping) else [(here, str(key), value)]


def small(name: str, config: dict[str, Any]) -> list[str]:
    """The overrides that make a job of the experiment small and let it do without files."""
    lines = [f"{key}={value}" for key, value in TINY.items()]
    for group, table in (("model", TINY_MODEL), ("metric", TINY_METRIC), ("study", TINY_STUDY)):
        for key, word, value in leaves(config[group], group):
            if word in table and value != 0 and "variants" not in key:
                sizes = isinstance(value, list) and isinstance(table[word], int)
                tiny = [table[word]] * len(value) if sizes else table[word]
                lines.append(f"{key}={str(tiny).replace(' ', '')}")
    return [*lines, *replaced(name, config)]


def replaced(name: str, config: dict[str, Any]) -> list[str]:
    """Noise of the same shape in place of images that are not here."""
    if chosen(name, "data") in LOCAL:
        return []
    held, fake = config["data"], jobs("data=fake")[0].config["data"]
    kept = [f"data.{key}={held[key]}" for key in ("size", "channels", "pixel_range")]
    foreign = [f"~data.{key}" for key in own(name).get("data", {}) if key not in fake]
    return ["data=fake", "data.count=40", *(line.replace(" ", "") for line in kept), *foreign]


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_small_from_end_to_end(
    name: str,
    tmp_path: Path,
    idx_root: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    gan_train: Command,  # noqa: F811
) -> None:
    monkeypatch.setenv("GAN_DATA", str(idx_root))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked = [f"+experiment={name}"]
    swept = own(name).get("hydra", {}).get("sweeper", {}).get("params", {})
    job = jobs(*(["-m"] if swept else []), *asked)[-1]  # of a sweep the last alone
    place = tmp_path / "run"
    outcome = gan_train(*job.overrides, *small(name, job.config), f"hydra.run.dir={place}")
    assert outcome.code == 0, outcome.err
    if job.config["study"]:
        assert (place / "table.md").is_file()
        return
    assert list((place / "checkpoints").glob("step_00000002-*.pt"))
    assert [json.loads(line)["step"] for line in (place / "metrics.jsonl").read_text().splitlines()] == [1, 2]
    if job.config["metric"]:
        taken = json.loads((place / "evaluation.json").read_text())["evaluations"]
        assert {entry["metric"] for entry in taken} == set(job.config["metric"])
        assert all(entry["step"] == 2 for entry in taken)
