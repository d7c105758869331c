"""Ten samples of each run below a folder, a row a run: python -m benchmarks.samples <folder> <picture.png>.

The same latents for all runs. A row bears its loss and its last Parzen log-likelihood, where there is one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from omegaconf import OmegaConf
from PIL import Image, ImageDraw, ImageFont

from gan_cli.cli.finished import opened, runs_below
from gan_cli.observers.canvas import to_pixels
from gan_cli.observers.evaluations import read
from gan_cli.streams import Streams

_SAMPLES, _FACTOR, _GAP, _MARGIN = 10, 2, 2, 190


@torch.no_grad()
def strip(folder: Path, n: int = _SAMPLES) -> Image.Image:
    """n samples of the run side by side."""
    found = opened(str(folder))
    game, data = found.experiment.game, found.experiment.dataset
    latents = game.latents(Streams(0, torch.device("cpu")).at("samples", 0), n)
    assert data.pixel_range is not None
    pixels = to_pixels(game.sample(found.state, latents).float(), data.pixel_range)
    enlarged = pixels.repeat_interleave(_FACTOR, dim=1).repeat_interleave(_FACTOR, dim=2)
    padded = torch.nn.functional.pad(enlarged, (0, 0, 0, _GAP, 0, _GAP), value=255)
    return Image.fromarray(torch.cat(list(padded), dim=1).numpy())


def title(folder: Path) -> str:
    """The run's loss and, on a second line, the last number of metric=[kde] with its unit."""
    loss = OmegaConf.load(folder / ".hydra" / "hydra.yaml").hydra.runtime.choices.loss
    measured = [entry for entry in read(folder) if entry["metric"] == "kde"]
    if not measured:
        return str(loss)
    values = max(measured, key=lambda entry: int(entry["step"]))["values"]
    return f"{loss}\n{values['kde']:.0f} ± {values['kde_error']:.0f} nats"


def main(folder: str, picture: str) -> None:
    """Draw the picture."""
    runs = runs_below(Path(folder))
    strips = [strip(run) for run in runs]
    height = strips[0].height
    page = Image.new("RGB", (_MARGIN + strips[0].width, height * len(runs)), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(16)
    for row, (run, images) in enumerate(zip(runs, strips, strict=True)):
        page.paste(images, (_MARGIN, row * height))
        pen.multiline_text((4, row * height + 8), title(run), fill="#222222", font=font)
    page.quantize(32).save(picture, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
