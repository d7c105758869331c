"""What an estimate leaves in its folder: results.json, PNGs, and one TensorBoard file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import summary

from gan_cli.estimation.estimate import Estimate, Measured
from gan_cli.estimation.pictures import Laws, pictures
from gan_cli.estimation.samples import Source
from gan_cli.files import write_atomic
from gan_cli.losses.base import Loss
from gan_cli.observers.events import EventFile
from gan_cli.observers.metrics_log import plain, plain_tree
from gan_cli.observers.recorder import Picture
from gan_cli.observers.summary import device_name, versions

RESULTS = "results.json"


@dataclass(frozen=True)
class About:
    """What an estimate was: its resolved config, as text and as containers, and how long it took."""

    config_yaml: str
    config: Mapping[str, Any]
    seed: int
    seconds: float
    device: torch.device


def keep(
    found: Measured, loss: Loss, sources: tuple[Source, Source], laws: Laws, folder: Path, about: About
) -> None:
    """Write all of it, each file whole or not at all. Raises RunError where the disk is full."""
    drawn = pictures(found, loss, *sources, laws)
    for name, picture in drawn.items():
        write_atomic(folder / f"{name}.png", picture.png)
    _curves(found, drawn, folder, about)
    content = results(found, about)
    write_atomic(folder / RESULTS, json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def results(found: Measured, about: About) -> dict[str, Any]:
    """results.json as plain containers; NaN and ±∞ are strings that float() reads."""
    content: dict[str, Any] = plain_tree(dataclasses.asdict(found.estimate))
    ratio = content["ratio"]
    if ratio is not None:
        for name in ("before", "after"):
            ratio[name]["error"] = plain(getattr(found.estimate.ratio, name).error)
    return content | {
        "validation": plain_tree([dataclasses.asdict(check) for check in found.curve]),
        "seed": about.seed,
        "seconds": round(about.seconds, 3),
        "device": device_name(about.device),
        "versions": versions(),
        "config": plain_tree(dict(about.config)),
    }


def scalars(estimate: Estimate) -> dict[str, float]:
    """The numbers that TensorBoard shows of the result."""
    found = {
        "held_out/bound": estimate.bound.value,
        "held_out/low": estimate.bound.low,
        "held_out/high": estimate.bound.high,
        "held_out/reliable": float(estimate.reliable),
    }
    if estimate.ratio is not None:
        found["held_out/jensen_shannon"] = estimate.ratio.jensen_shannon.value
        found["held_out/calibration_error"] = estimate.ratio.before.error
        found["held_out/calibration_error_after"] = estimate.ratio.after.error
    if estimate.truth is not None:
        found["held_out/exact"] = estimate.truth.exact.value
        found["held_out/relative_error"] = estimate.truth.relative_error
    return found


def _curves(found: Measured, drawn: Mapping[str, Picture], folder: Path, about: About) -> None:
    file = EventFile(folder, last_step=0)
    try:
        file.once(summary.text("config", f"```yaml\n{about.config_yaml}\n```"))
        for check in found.curve:
            file.add(check.step, _summary({"validation/bound": check.bound}))
        last = found.curve[-1].step
        file.add(last, _summary(scalars(found.estimate)))
        for name, picture in drawn.items():
            image = Summary.Image(
                encoded_image_string=picture.png, width=picture.width, height=picture.height, colorspace=3
            )
            file.add(last, Summary(value=[Summary.Value(tag=name, image=image)]))
        file.sync()
    finally:
        file.close()


def _summary(values: Mapping[str, float]) -> Any:
    return Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()])
