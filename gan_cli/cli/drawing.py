"""What `gan-sample` does with a generator: open the run, draw, write one file or folder of files."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_cli.cli import finished, pages
from gan_cli.cli.desk import Desk, refused
from gan_cli.data.base import Sampler
from gan_cli.errors import InputError
from gan_cli.files import write_atomic
from gan_cli.observers.canvas import to_pixels
from gan_cli.observers.examples import real_examples
from gan_cli.sampling import sheet, writing
from gan_cli.sampling.draws import first
from gan_cli.sampling.latents import AT_ONCE

Place = Callable[[int | None, str], Path]
_IMAGES, _POINTS = 64, 1000
_REAL, _REAL_NUMBERS = 2000, 20000


def draw(config: Mapping[str, Any], place: Place) -> Path:
    """Draw what the config asks for; the path of what was written. Raises GanTrainError.

    place: where it goes, by the checkpoint's step and a mark of its content.
    """
    opened = finished.opened(config["run"], config["checkpoint"], config["device"])
    if threads := config["threads"] or opened.experiment.threads:
        torch.set_num_threads(threads)
    desk = Desk(config, opened)
    if desk.points:
        _refuse_for_points(config)
    if not opened.experiment.plain.smooth:
        _refuse_for_jumps(config)
    step = None if config["what"] == "examples" else opened.step
    path = place(step, opened.file.stem.rpartition("-")[2][:8])
    if config["what"] in ("grid", "examples"):
        _samples(desk, path)
    else:
        with refused():
            page = pages.DRAWN[config["what"]](desk)
        write_atomic(path, sheet.png(page))
    if desk.rejection is not None:
        tried, rate = desk.rejection.tried, desk.rejection.rate
        print(f"the critic's density ratio kept {rate:.1%} of {tried} samples", file=sys.stderr, flush=True)
    return path


def _refuse_for_jumps(config: Mapping[str, Any]) -> None:
    if config["what"] in ("interpolation", "arithmetic"):
        raise InputError(
            f"what={config['what']}: this model's samples jump as the latent moves, so there is no way "
            "between two; use what=grid"
        )
    if config["truncation"] is not None:
        raise InputError(
            f"truncation={config['truncation']}: this model draws by its latents, which are "
            "uniform numbers, and truncated ones would bias it; leave truncation out"
        )


def _refuse_for_points(config: Mapping[str, Any]) -> None:
    what, given = config["what"], config["format"]
    if what not in ("grid", "examples"):
        raise InputError(f"what={what} is for images, and the run's data are points: use what=grid")
    if given == "files" or (what, given) == ("examples", "png"):
        raise InputError(f"format={given} is for images, and the run's data are points: use format=npz")
    for name in ("columns", "numbers"):
        if config[name]:
            raise InputError(f"{name} is for images, and the run's data are points")


# --- samples as they are ----------------------------------------------------------------------------------


def _samples(desk: Desk, path: Path) -> None:
    config = desk.config
    n = config["n"] or (_POINTS if desk.points else _IMAGES)
    real = config["what"] == "examples"
    if config["format"] == "png" and not desk.points:
        sheet.refuse_huge(n, desk.shape, f"n={n}", "set format=npz or format=files")
    parts = _drawn_examples(desk, n) if real else (part.examples for part in first(desk.parts(), n))
    if config["format"] == "png":
        examples = torch.cat(list(parts))
        page = _plot(desk, examples) if desk.points else _grid(desk, examples)
        write_atomic(path, page)
    elif config["format"] == "npz":
        shape = desk.shape if desk.points else (*desk.shape[1:], desk.shape[0])
        writing.write_npz(path, _arrays(desk, parts), (n, *shape))
    else:
        writing.write_pngs(path, _arrays(desk, parts, colour=desk.shape[0] not in (1, 3)))


def _arrays(desk: Desk, parts: Iterable[Tensor], colour: bool = False) -> Iterator[writing.Array]:
    """Points as they are; images in 256 levels with their channels last, as three colours if so asked."""
    for examples in parts:
        if desk.points:
            yield examples.numpy()
        else:
            to_levels = to_pixels if colour else sheet.levels
            yield to_levels(examples, desk.pixel_range).numpy()


def _drawn_examples(desk: Desk, n: int) -> Iterator[Tensor]:
    """n training examples in an order by the seed, without repetition where there are finitely many."""
    run = desk.opened.run
    if isinstance(run.data, Sampler):
        law, chance = run.data.to(torch.device("cpu")), desk.streams.at("examples", 0)
        redraw = run.dataset.redraw
        parts = (redraw(law.sample(chance, AT_ONCE), chance) for _ in range(-(-n // AT_ONCE)))
        yield from (run.dataset.prepare(part[: n - i * AT_ONCE]).float() for i, part in enumerate(parts))
        return
    if n > len(run.data):
        raise InputError(f"n={n}: there are {len(run.data)} training examples")
    order = torch.randperm(len(run.data), generator=desk.streams.at("examples", 0))[:n]
    for part, some in enumerate(order.split(AT_ONCE)):
        yield desk.prepared(run.data, some, part)


def _grid(desk: Desk, examples: Tensor) -> bytes:
    columns = desk.config["columns"] or _columns(len(examples))
    captions = [str(number) for number in range(len(examples))] if desk.config["numbers"] else ()
    return sheet.png(sheet.page(sheet.tiles(examples, desk.pixel_range), columns, captions))


def _columns(n: int) -> int:
    """Those of the page that is most nearly square: 8 for 64."""
    return math.isqrt(n - 1) + 1


def _plot(desk: Desk, points: Tensor) -> bytes:
    """The points against real ones, in the frame of the run's own plots."""
    from gan_cli.observers.plots import Frame, densities, scatter

    run, dimension = desk.opened.run, desk.shape[0]
    real = real_examples(run, _REAL if dimension > 1 else _REAL_NUMBERS, "samples/real").cpu()
    title = ", ".join([f"step {desk.opened.step}", *(["drs"] if desk.config["method"] == "drs" else [])])
    frame = Frame.around(real)
    if dimension > 1:
        return scatter(real, points, None, frame, title).png
    return densities(real, points, None, None, frame, title).png
