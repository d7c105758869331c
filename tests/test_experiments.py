"""Every experiment composes and builds, by either spelling that Hydra's users know."""

from __future__ import annotations

import pytest

from tests.test_combinations import built, options


@pytest.mark.parametrize("name", options("experiment"))
def test_every_experiment_builds(name: str) -> None:
    plain, added = built(f"experiment={name}", "device=cpu"), built(f"+experiment={name}", "device=cpu")
    assert plain.config == added.config
    assert plain.steps == plain.config["steps"] > 0
    assert built(f"experiment={name}", "steps=3", "device=cpu").steps == 3
