"""The tree keeps its own rules: sizes, packages, pins."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SOURCES = sorted(path for folder in ("gan_cli", "benchmarks") for path in (ROOT / folder).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MOST_LINES = 250
MOST_LINES_A_FUNCTION = 50  # without its docstring


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function's name and its length in lines, signature included, docstring not."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = ast.get_docstring(node) is not None
            comment = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
            yield node.name, (node.end_lineno or 0) - node.lineno + 1 - comment


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=relative)
def test_files_and_functions_stay_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES
    long = {name: length for name, length in functions(path) if length > MOST_LINES_A_FUNCTION}
    assert not long, f"split these up, lines a function: {long}"


def test_the_wheel_holds_every_package() -> None:
    found = {relative(path.parent).replace("/", ".") for path in (ROOT / "gan_cli").rglob("__init__.py")}
    folders = {relative(path.parent).replace("/", ".") for path in (ROOT / "gan_cli").rglob("*.py")}
    assert folders == found, "a folder of modules needs an __init__.py"
    plugins = {relative(path.parent).replace("/", ".") for path in ROOT.glob("hydra_plugins/*/__init__.py")}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == found | plugins | {"gan_cli.configs"}
    assert not (ROOT / "hydra_plugins/__init__.py").exists(), "a namespace, which belongs to no package"


def test_every_config_is_package_data() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["gan_cli.configs"]
    held = {path for pattern in patterns for path in (ROOT / "configs").glob(pattern)}
    assert held == set((ROOT / "configs").rglob("*.yaml"))


def test_every_dependency_is_pinned() -> None:
    def plain(name: str) -> str:
        return re.sub(r"[-_.]+", "-", name).lower()

    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    unpinned = [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+", pin)]
    assert not unpinned
    project = PROJECT["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {plain(re.split(r"[<>=!~;\[ ]", requirement)[0]) for requirement in wanted}
    assert names <= {plain(pin.split("==")[0]) for pin in pins}
