"""What is wrong with a sweep in a pool is refused in one line, before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Command

TINY = ("data=ring", "model=mlp", "batch_size=4", "device=cpu", "steps=1", "-m", "hydra/launcher=pool")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["hydra.launcher.retries=-1"], "retries must be a whole number ≥ 0, got -1"),
        (["hydra.launcher.workers=no"], "workers must be a whole number ≥ 1, got 'no'"),
        (["hydra.launcher.retry=2"], "there is no key hydra.launcher.retry (did you mean 'retries'?)"),
        (["hydra.sweep.subdir=x"], "2 jobs of the sweep would share the folder all/x"),
    ],
)
def test_what_is_wrong_is_one_line(words: list[str], said: str, gan_train: Command, folder: Path) -> None:
    shown = gan_train(*TINY, *words, "hydra.sweep.dir=all", "seed=0,1")
    assert (shown.code, said in shown.line) == (2, True), shown.err
    assert not (folder / "all").exists()
