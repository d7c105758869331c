"""One estimate, as Hydra starts it: build, train the critic, and leave table, json, pictures and curves."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gan_cli.cli import output
from gan_cli.cli.compose import plain
from gan_cli.cli.folders import package_configs
from gan_cli.cli.job import guarded, warnings_in
from gan_cli.errors import InputError
from gan_cli.schema import ESTIMATE, check

LOG = "estimate.log"
_SAMPLES = {"points": 2_000_000, "image": 10_000}


@dataclass(frozen=True)
class Inquiry:
    """All that a config of gan-estimate names, built and checked; nothing is loaded yet."""

    p: Any
    q: Any
    loss: Any
    network: Any
    settings: Any
    device: Any
    seed: int
    threads: int | None
    config_yaml: str
    config: dict[str, Any]


def inquiry(config: dict[str, Any]) -> Inquiry:
    """What a config that passed the schema asks for, checked against its targets. Imports torch.

    Raises InputError in one line for what cannot be.
    """
    from torch import nn

    from gan_cli import configuration
    from gan_cli.data.base import Dataset
    from gan_cli.estimation.estimate import refuse
    from gan_cli.estimation.training import Settings
    from gan_cli.instantiation import make
    from gan_cli.losses.base import Loss
    from gan_cli.network import Network
    from gan_cli.runtime import device
    from gan_cli.transforms.base import Transform

    cfg = OmegaConf.create(configuration.check(config))
    p, q = (make(name, cfg[name], Dataset) for name in ("p", "q"))
    _refuse_strangers(p, q)
    loss = make("loss", cfg.loss, Loss)
    samples = cfg.samples or _SAMPLES[p.kind]
    optimizer = make("optimizer", cfg.optimizer, Transform)
    chosen = {"steps": cfg.steps, "batch_size": cfg.batch_size, "checks": min(cfg.checks, cfg.steps)}
    try:
        refuse(loss)
        settings = Settings(**chosen, samples=samples, average=cfg.average, optimizer=optimizer)
    except ValueError as error:
        raise InputError(str(error)) from None
    network = Network(lambda: make("critic", cfg.critic, nn.Module, shape=tuple(p.shape)))
    if network.draws:
        raise InputError("critic: it holds Dropout, which draws numbers that no seed repeats")
    place, text = device(cfg.device), OmegaConf.to_yaml(cfg)
    return Inquiry(p, q, loss, network, settings, place, cfg.seed, cfg.threads, text, config)


def _refuse_strangers(p: Any, q: Any) -> None:
    """Raise InputError where one critic cannot see both."""
    if tuple(p.shape) != tuple(q.shape):
        raise InputError(
            f"p and q must have one shape, got {list(p.shape)} and {list(q.shape)}: set p.size and q.size, "
            "or the number of coordinates"
        )
    if p.pixel_range != q.pixel_range:
        raise InputError(
            f"p and q must have one pixel_range, got {p.pixel_range} and {q.pixel_range}: a critic would see "
            "nothing but that"
        )


def measure(config: DictConfig) -> None:
    """Make one estimate in the folder that Hydra made for it. Raises GanTrainError."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    asked = inquiry(check(plain(config), ESTIMATE))
    with warnings_in(folder / LOG):
        _measure(asked, folder)


def _measure(asked: Inquiry, folder: Path) -> None:
    import torch

    from gan_cli.cli.table import show
    from gan_cli.data.base import Distribution
    from gan_cli.estimation import record
    from gan_cli.estimation.estimate import estimate
    from gan_cli.estimation.samples import source
    from gan_cli.streams import Streams

    if asked.threads:
        torch.set_num_threads(asked.threads)
    began, streams = time.monotonic(), Streams(asked.seed, asked.device)
    laws = asked.p.load(), asked.q.load()
    known = (laws[0], laws[1]) if all(isinstance(law, Distribution) for law in laws) else None
    try:
        p, q = source(asked.p, laws[0], streams, "p"), source(asked.q, laws[1], streams, "q")
    except ValueError as error:
        raise InputError(str(error)) from None
    print(f"estimate: {output.shown(folder)}", flush=True)
    found = estimate(
        asked.loss, asked.network, p, q, asked.settings, streams, known, told=_progress(asked.settings)
    )
    about = record.About(asked.config_yaml, asked.config, asked.seed, time.monotonic() - began, asked.device)
    record.keep(found, asked.loss, (p, q), known, folder, about)
    show(found.estimate)
    print(f"done: {output.shown(folder / record.RESULTS)}", flush=True)


def _progress(settings: Any) -> Callable[[int, Any], None]:
    """A line at every fourth check, on standard error."""
    checks = 0

    def told(step: int, check: Any) -> None:
        nonlocal checks
        checks += check is not None
        if check is not None and (checks % 4 == 0 or step == settings.steps):
            bound = f"{check.bound:.4f} ± {check.standard_error:.4f}"
            print(f"step {step}/{settings.steps}  validation bound {bound}", file=sys.stderr, flush=True)

    return told


@hydra.main(version_base="1.3", config_path=str(package_configs()), config_name=ESTIMATE.main)
def main(config: DictConfig) -> None:
    """Hydra's task function: `measure` in its folder."""
    guarded(measure, config, ESTIMATE, LOG)
