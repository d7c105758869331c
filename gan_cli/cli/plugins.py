"""The launchers that come with this package."""

from __future__ import annotations

import importlib

from hydra.core.plugins import Plugins

LAUNCHERS = (
    "hydra_plugins.gan_train_pool.PoolLauncher",
    "hydra_plugins.gan_train_ensemble.EnsembleLauncher",
)
"""Their jobs go on where an earlier start of the same sweep left them, and they tell of each themselves."""


def register() -> None:
    """Make them known to Hydra: its own search walks folders, and an editable install has none to walk."""
    for name in LAUNCHERS:
        module, _, launcher = name.rpartition(".")
        Plugins.instance().register(getattr(importlib.import_module(module), launcher))
