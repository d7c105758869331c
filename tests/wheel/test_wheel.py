"""A wheel of this tree, installed where the tree is not, trains from another folder with its own configs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    """The command's standard output; its exit code is 0. It sees no tree and no data of the caller."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "GAN_DATA", "VIRTUAL_ENV")}
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: setuptools leaves its build folder in the tree, and packs what it finds there."""
    tree = tmp_path_factory.mktemp("tree")
    for folder in ("gan_cli", "configs", "hydra_plugins"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, tree)
    offline = ("--no-deps", "--no-index", "--no-build-isolation")
    run(sys.executable, "-m", "pip", "wheel", *offline, "--wheel-dir", tree / "dist", tree, cwd=tree)
    (built,) = (tree / "dist").glob("gan_train-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean environment's bin folder: the wheel is installed, its dependencies are borrowed from this one.

    A plain path in a .pth file lends the packages of this environment without running its own .pth files,
    so an editable install of the tree stays out.
    """
    environment = tmp_path_factory.mktemp("clean") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=environment.parent)
    python = environment / "bin" / "python"
    (site,) = environment.glob("lib/python*/site-packages")
    lent = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "lent.pth").write_text("\n".join(sorted(lent)) + "\n")
    pip = (sys.executable, "-m", "pip", "--python", python)
    run(*pip, "install", "--no-deps", "--no-index", "--ignore-installed", wheel, cwd=environment.parent)
    return python.parent


def test_the_package_and_its_configs_are_the_wheels(installed: Path, tmp_path: Path) -> None:
    code = "import json, gan_cli, gan_cli.configs as c; print(json.dumps([*gan_cli.__path__, *c.__path__]))"
    package, configs = map(Path, json.loads(run(installed / "python", "-c", code, cwd=tmp_path)))
    assert package.is_relative_to(installed.parent)
    assert configs == package / "configs"
    assert (package / "py.typed").is_file()
    packed = {path.relative_to(configs) for path in configs.rglob("*.yaml")}
    assert packed == {path.relative_to(ROOT / "configs") for path in (ROOT / "configs").rglob("*.yaml")}


def test_help_and_config_print_anywhere(installed: Path, tmp_path: Path) -> None:
    assert "trick" in run(installed / "gan-train", "--help", cwd=tmp_path)
    shown = run(installed / "gan-train", "--cfg", "job", "steps=7", cwd=tmp_path)
    assert "steps: 7" in shown.splitlines()
    assert not list(tmp_path.iterdir())


def test_it_trains_from_another_folder(installed: Path, tmp_path: Path) -> None:
    run(installed / "gan-train", "data=digits", "steps=2", "batch_size=8", "device=cpu", cwd=tmp_path)
    (summary,) = tmp_path.glob("outputs/*/*/summary.json")
    assert json.loads(summary.read_text())
    assert list(summary.parent.glob("checkpoints/*"))


def test_its_launchers_are_found(installed: Path, tmp_path: Path) -> None:
    """Those are in a namespace that no package owns."""
    tiny = ("data=digits", "steps=1", "batch_size=8", "device=cpu", "sample_every=0", "evaluate_every=0")
    sweep = ("--multirun", "hydra/launcher=pool", "hydra.launcher.workers=1", "hydra.sweep.dir=all")
    assert "job 0 done in" in run(installed / "gan-train", *tiny, *sweep, cwd=tmp_path)
    assert json.loads((tmp_path / "all/0/summary.json").read_text())["outcome"] == "done"
