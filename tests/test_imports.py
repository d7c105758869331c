"""Imports run one way; the contracts stand in pyproject.toml."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINT_IMPORTS = Path(sys.executable).parent / "lint-imports"


def test_imports_run_one_way() -> None:
    result = subprocess.run(
        [LINT_IMPORTS, "--no-cache"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    "module", ["gan_cli", "gan_cli.errors", "gan_cli.cli.train", "gan_cli.cli.compare"], ids=str
)
def test_importing_leaves_torch_out(module: str) -> None:
    """`--help` and a refused override answer in under a second only while nothing here imports torch."""
    code = f"import sys, {module}; print(*sorted({{'torch', 'matplotlib', 'sklearn'}} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []


def test_every_imported_package_is_a_dependency() -> None:
    """The wheel's test borrows this environment's packages, so that it cannot notice one that is missing."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=!~; ]", line, maxsplit=1)[0].lower() for line in project["dependencies"]}
    names = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml", "hydra": "hydra-core"}
    imported = set()
    for path in (ROOT / "gan_cli").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - {"gan_cli"}
    assert {names.get(name, name) for name in foreign} <= declared
