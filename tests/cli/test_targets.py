"""Signatures are the schema of a `_target_`'s arguments."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest
from omegaconf import OmegaConf

from gan_cli import configuration
from gan_cli.cli import compose, folders, request
from gan_cli.errors import InputError
from gan_cli.schema import ESTIMATE, TRAIN, Schema
from gan_cli.values import fit
from tests.kinds import GAME_OPTIMIZERS

FOUND = folders.options([folders.package_configs()])
OPTIONS = [
    (schema, group, name)
    for schema in (TRAIN, ESTIMATE)
    for group, names in schema.options(FOUND).items()
    for name in names
]


class Base:
    """A class that an argument may ask for."""


class Derived(Base):
    def __init__(self, size: int = 1) -> None:
        self.size = size


class Everything:
    """One argument of each sort."""

    def __init__(
        self,
        needed: int,
        real: float = 1.0,
        word: str = "",
        flag: bool = False,
        choice: Literal["a", "b", "off"] = "a",
        maybe: int | None = None,
        pair: tuple[float, float] = (0.0, 1.0),
        numbers: Sequence[float] = (),
        part: Base | None = None,
        call: Callable[[], Any] | None = None,
        limit: float = float("inf"),
    ) -> None:
        pass


class Open:
    def __init__(self, **anything: Any) -> None:
        pass


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """This module under a name that a config can give."""
    module = ModuleType("here")
    vars(module).update(Everything=Everything, Open=Open, Base=Base, Derived=Derived, number=3)
    monkeypatch.setitem(sys.modules, "here", module)


def check(target: str = "here.Everything", **arguments: Any) -> dict[str, Any]:
    """The node after the check, without its target."""
    checked = configuration.check({"node": {"_target_": target, **arguments}})["node"]
    return {name: value for name, value in checked.items() if name != "_target_"}


def test_values_come_out_in_their_types() -> None:
    given: dict[str, Any] = {
        "needed": 1e3,
        "real": 2,
        "word": 7,
        "choice": False,
        "maybe": None,
        "pair": [0, 1],
        "limit": float("inf"),
    }
    checked = check(**given)
    assert checked == {
        "needed": 1000,
        "real": 2.0,
        "word": "7",
        "choice": "off",
        "maybe": None,
        "pair": (0.0, 1.0),
        "limit": float("inf"),
    }
    assert [type(checked[name]) for name in ("needed", "real", "pair")] == [int, float, tuple]
    assert check("here.Open", anything=[1, {"deep": 2}]) == {"anything": [1, {"deep": 2}]}
    assert check(needed=1, part={"_target_": "here.Derived", "size": 2.0})["part"]["size"] == 2
    assert check(needed=1, call={"_target_": "here.Derived", "_partial_": True})["call"]["_partial_"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "node.needed is missing: Everything needs it"),
        ({"needed": True}, "node.needed must be a whole number, got true"),
        ({"needed": 1, "real": "x"}, "node.real must be a number, got 'x'"),
        ({"needed": 1, "real": float("inf")}, "node.real must be a finite number, got inf"),
        ({"needed": 1, "limit": float("nan")}, "node.limit must be a finite number, got nan"),
        ({"needed": 1, "word": 1.5}, "node.word must be text, got 1.5"),
        ({"needed": 1, "flag": 1}, "node.flag must be true or false, got 1"),
        (
            {"needed": 1, "choice": "of"},
            "node.choice must be one of a, b, off, got 'of' (did you mean 'off'?)",
        ),
        ({"needed": 1, "maybe": 1.5}, "node.maybe must be a whole number or null, got 1.5"),
        ({"needed": 1, "pair": [1]}, "node.pair must be a list of 2 numbers, got [1]"),
        ({"needed": 1, "numbers": [1, "b"]}, "node.numbers must be a list of numbers, got [1, 'b']"),
        ({"needed": 1, "part": 3}, "node.part must be a Base or null, got 3"),
        ({"needed": 1, "part": {"_target_": "here.Open"}}, "node.part must be a Base or null, got here.Open"),
        (
            {"needed": 1, "part": {"_target_": "here.Derived", "sise": 2}},
            "there is no node.part.sise: Derived takes no 'sise' (did you mean 'size'?)",
        ),
        (
            {"needed": 1, "neded": 1},
            "there is no node.neded: Everything takes no 'neded' (did you mean 'needed'?)",
        ),
    ],
)
def test_what_a_signature_does_not_take(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refused:
        check(**arguments)
    assert str(refused.value) == said


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("here.Everythin", "here has no 'Everythin' (did you mean 'Everything'?)"),
        ("here.everything", "did you mean 'Everything'?"),
        ("here.number", "here.number is no class and no function"),
        ("nowhere.to.be.Found", "no module 'nowhere'"),
        ("one two", "write the dotted path"),
        ("broken.Class", "importing it failed: ZeroDivisionError: division by zero (broken.py, line 2)"),
        ("leaving.Class", "importing it failed: SystemExit: 7 (leaving.py, line 2)"),
        ("torn.Class", "SyntaxError: '(' was never closed (torn.py, line 1)"),
        ("needy.Class", "importing it failed: No module named 'not_installed_anywhere'"),
    ],
)
def test_targets_that_are_not_there(
    path: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text("x = 1\nx / 0\n")
    (tmp_path / "leaving.py").write_text("import sys\nsys.exit(7)\n")
    (tmp_path / "torn.py").write_text("x = (\n")
    (tmp_path / "needy.py").write_text("import not_installed_anywhere\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError) as refused:
        check(path)
    assert said in str(refused.value)
    assert str(refused.value).startswith(f"node._target_={path}")


def test_a_model_takes_what_the_run_fills_in() -> None:
    configuration.check({"model": {"critic": {"_target_": "here.Open"}}})
    with pytest.raises(InputError, match=r"model.critic: Derived takes no 'shape', which the run fills in"):
        configuration.check({"model": {"critic": {"_target_": "here.Derived"}}})
    with pytest.raises(InputError, match=r"model.critic.shape is filled in by the run"):
        configuration.check({"model": {"critic": {"_target_": "here.Open", "shape": [1]}}})


@pytest.mark.parametrize(("schema", "group", "name"), OPTIONS, ids=lambda part: getattr(part, "main", part))
def test_every_option_fits_its_signature(schema: Schema, group: str, name: str) -> None:
    needed = [f"{group}.folder=somewhere"] if name == "run" else []
    if group == "optimizer" and name not in GAME_OPTIMIZERS:
        needed = ["model=vae"]
    (job,) = compose.plan(request.parse([f"{group}={name}", *needed], schema)).jobs
    checked = configuration.check(job.config)
    assert OmegaConf.create(checked).steps >= 1


def test_whole_floats_are_no_reason_to_lose_digits() -> None:
    assert fit(1e15, int) == 10**15
    with pytest.raises(ValueError, match="must be a whole number, got inf"):
        fit(float("inf"), int)
