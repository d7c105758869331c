"""Folders such as runs leave them, without the training."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

Json = dict[str, Any]

CONFIG: Json = {
    "data": {"_target_": "gan_cli.data.mnist.MNIST", "root": "data", "size": 28},
    "model": {
        "width": 64,
        "latent": 100,
        "generator": {"_target_": "gan_cli.models.mlp.Generator", "width": "${model.width}"},
        "critic": {"_target_": "gan_cli.models.mlp.Critic", "width": "${model.width}"},
    },
    "loss": {"_target_": "gan_cli.losses.fgan.FGAN", "generator": "heuristic"},
    "trick": {},
    "metric": {},
    "optimizer": {"generator": {"lr": 0.0002}, "critic": {"lr": 0.0002}},
    "steps": 1000,
    "batch_size": 64,
    "seed": 0,
    "device": "cpu",
    "log_every": 100,
    "resume": None,
    "name": None,
}
CHOICES = {"data": "mnist", "model": "mlp", "loss": "fgan_kl", "optimizer": "adam", "runtime": "default"}


def _yaml(content: Json) -> str:
    """As Hydra writes it, by the fast writer where there is one."""
    text: str = yaml.dump(content, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)
    return text


def merged(base: Json, more: Mapping[str, Any]) -> Json:
    """The config with the values of dotted keys."""
    config: Json = json.loads(json.dumps(base))
    for key, value in more.items():
        node = config
        *path, last = key.split(".")
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return config


def entry(step: int, metric: str, values: Mapping[str, Any], **more: Any) -> Json:
    """One of evaluation.json."""
    return {
        "metric": metric,
        "step": step,
        "seed": 0,
        "checkpoint": None,
        "about": f"{metric}, 100 samples",
        "better": {},
        "values": dict(values),
        "per_example": {},
        "settings": {},
        "time": "2026-01-31T12:00:00+00:00",
    } | more


def plant(
    folder: Path,
    settings: Mapping[str, Any] | None = None,
    choices: Mapping[str, str] | None = None,
    metrics: Mapping[str, Sequence[tuple[int, Any]]] | None = None,
    evaluations: Sequence[Json] = (),
    outcome: str = "done",
    step: int = 1000,
    picture: int | None = None,
) -> Path:
    """A run's folder; metrics: (step, value) by name; picture: the size of a sample grid."""
    settled = folder / ".hydra"
    settled.mkdir(parents=True)
    config = merged(CONFIG, settings or {})
    (settled / "config.yaml").write_text(_yaml(config))
    hydra = {"hydra": {"runtime": {"choices": {**CHOICES, **(choices or {}), "hydra/output": "default"}}}}
    (settled / "hydra.yaml").write_text(_yaml(hydra))
    lines: dict[int, Json] = {}
    for name, points in (metrics or {}).items():
        for at, value in points:
            lines.setdefault(at, {"step": at, "time": 1.0, "steps/s": 9.0})[name] = value
    text = "".join(json.dumps(lines[at]) + "\n" for at in sorted(lines))
    (folder / "metrics.jsonl").write_text(text)
    last = {name: points[-1][1] for name, points in (metrics or {}).items() if points}
    summary = {
        "outcome": outcome,
        "failure": "step 7: critic loss is nan" if outcome == "failed" else None,
        "step": step,
        "steps": config["steps"],
        "seed": config["seed"],
        "metrics": last,
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    if evaluations:
        (folder / "evaluation.json").write_text(json.dumps({"evaluations": list(evaluations)}))
    if picture is not None:
        (folder / "samples").mkdir()
        colour = tuple(random.Random(str(folder)).randrange(256) for _ in range(3))
        grid = Image.effect_noise((picture, picture), 80).convert("RGB")
        Image.blend(grid, Image.new("RGB", grid.size, colour), 0.3).save(folder / "samples/step_001000.png")
    return folder


def sweep(folder: Path, runs: int, points: int = 50, picture: int | None = 200) -> Path:
    """Losses × seeds, with curves that fall at different speeds."""
    losses = ["fgan_kl", "fgan_js", "gan_ns", "wgan", "hinge"]
    for number in range(runs):
        loss, seed = losses[number % len(losses)], number // len(losses)
        steps = [20 * (k + 1) for k in range(points)]
        draw = random.Random(number)
        level = losses.index(loss)
        curves = {
            name: [(s, 9 * math.exp(-s / (100 + 60 * level)) + level + draw.gauss(0, 0.1)) for s in steps]
            for name in ("generator/loss", "critic/loss", "divergence/bound", "evaluation/spread")
        }
        curves["evaluation/modes_covered"] = [(s, float(min(8, level + s // 200))) for s in steps]
        kde = 200 + 10 * level + draw.gauss(0, 3)
        plant(
            folder / str(number),
            {"seed": seed},
            {"loss": loss},
            curves,
            [entry(1000, "kde", {"kde": kde, "kde_error": 2.0}, better={"kde": "higher"})],
            outcome="failed" if number % 17 == 16 else "done",
            picture=picture,
        )
    return folder
