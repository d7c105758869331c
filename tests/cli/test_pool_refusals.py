"""What is wrong with the launcher of a sweep is refused in one line, before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_cli.cli.standing import refuse_shared
from gan_cli.errors import InputError
from tests.cli.conftest import Command

TINY = ("data=ring", "model=mlp", "batch_size=4", "device=cpu", "steps=1", "-m", "hydra/launcher=pool")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["hydra.launcher.retries=-1"],
            "gan-train: hydra.launcher.retries must be a whole number ≥ 0, got -1; use 0",
        ),
        (
            ["hydra.launcher.workers=no"],
            "gan-train: hydra.launcher.workers must be a whole number ≥ 1 or null, got 'no'; use 1",
        ),
        (["hydra.launcher.retry=2"], "there is no key hydra.launcher.retry (did you mean 'retries'?)"),
        (["hydra.sweep.subdir=x"], "2 jobs of the sweep would share the folder all/x"),
    ],
)
def test_what_is_wrong_is_one_line(words: list[str], said: str, gan_train: Command, folder: Path) -> None:
    shown = gan_train(*TINY, *words, "hydra.sweep.dir=all", "seed=0,1")
    assert (shown.code, said in shown.line) == (2, True), shown.err
    assert not (folder / "all").exists()


def test_jobs_that_a_launcher_is_handed_may_not_share_a_folder() -> None:
    """A sweeper that chooses as it goes hands over jobs that nobody looked at before."""
    refuse_shared([Path("all/0"), Path("all/1")])
    with pytest.raises(InputError, match="2 jobs of the sweep would share the folder all/0"):
        refuse_shared([Path("all/0"), Path("all/1"), Path("all/0")])


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("width=33", "width must be a multiple of 32, got 33; use 32"),
        ("width=90", "width must be a multiple of 32, got 90; use 96"),
        ("width=no", "width must be a multiple of 32, got 'no'; use 32"),
        ("compile=onn", "compile must be one of auto, on, off, got 'onn' (did you mean 'on'?)"),
    ],
)
def test_a_wrong_ensemble_is_one_line(word: str, said: str, gan_train: Command, folder: Path) -> None:
    words = [*TINY[:-1], "hydra/launcher=ensemble", f"hydra.launcher.{word}"]
    shown = gan_train(*words, "hydra.sweep.dir=all", "seed=0,1")
    assert (shown.code, shown.line) == (2, f"gan-train: hydra.launcher.{said}")
    assert not (folder / "all").exists()


@pytest.mark.parametrize(
    "word",
    ["hydra/launcher=pool", "hydra/launcher=ensemble", "+hydra.launcher.workers=2", "hydra/sweeper=basic"],
)
def test_what_only_a_sweep_heeds_is_refused_elsewhere(word: str, gan_train: Command, folder: Path) -> None:
    shown = gan_train(*TINY[:-2], word)
    assert (shown.code, "add --multirun" in shown.line) == (2, True), shown.err
    assert not list(folder.iterdir())
