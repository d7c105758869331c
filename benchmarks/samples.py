"""Samples of each run below a folder, two rows a run: python -m benchmarks.samples <folder> <picture.png>.

The first rows are of the first run's real examples. Beside each run stands what was asked for it alone,
and its last metric=[nll] and metric=[kde].
"""

from __future__ import annotations

import io
import sys
import textwrap
from pathlib import Path

from omegaconf import OmegaConf
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from gan_cli.cli.finished import Opened, opened, runs_below
from gan_cli.observers.canvas import image_grid
from gan_cli.observers.evaluations import read
from gan_cli.observers.examples import generate, latent_examples, real_examples

_COLUMNS, _ROWS, _MARGIN, _LETTERS, _LINE = 14, 2, 240, 33, 15


def strip(run: Opened, images: Tensor) -> Image.Image:
    """The images in rows."""
    drawn = image_grid(images, _COLUMNS, run.run.dataset.pixel_range or (0.0, 1.0))
    return Image.open(io.BytesIO(drawn.png))


def asked(folder: Path) -> list[str]:
    """The overrides of the run's command."""
    return [str(line) for line in OmegaConf.load(folder / ".hydra" / "overrides.yaml")]


def numbers(folder: Path) -> list[str]:
    """The run's last numbers of metric=[nll] and metric=[kde], each with its standard error."""
    lines = []
    for name in ("nll", "kde"):
        found = [entry for entry in read(folder) if entry["metric"] == name]
        if found:
            values = max(found, key=lambda entry: int(entry["step"]))["values"]
            lines.append(f"{name} {values[name]:.1f} ± {values[f'{name}_error']:.1f} nats")
    return lines


def main(folder: str, picture: str) -> None:
    """Draw the picture."""
    runs = [opened(str(place)) for place in runs_below(Path(folder))]
    if not runs:
        raise SystemExit(f"{folder}: no run with a checkpoint is there")
    common = set.intersection(*(set(asked(run.folder)) for run in runs))
    count = _COLUMNS * _ROWS
    rows = [(["real"], strip(runs[0], real_examples(runs[0].run, count, "samples/real")))]
    for run in runs:
        own = " ".join(line for line in asked(run.folder) if line not in common)
        words = [*textwrap.wrap(own, _LETTERS, break_on_hyphens=False), *numbers(run.folder)]
        images = generate(run.run, run.state, latent_examples(run.run, count, "samples"))
        rows.append((words, strip(run, images)))
    height = rows[0][1].height
    page = Image.new("RGB", (_MARGIN + rows[0][1].width, height * len(rows)), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(12)
    for row, (words, drawn) in enumerate(rows):
        page.paste(drawn, (_MARGIN, row * height))
        for number, line in enumerate(words):
            pen.text((4, row * height + 2 + number * _LINE), line, fill="#222222", font=font)
    page.quantize(64).save(picture, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
