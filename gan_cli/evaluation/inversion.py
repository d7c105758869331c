"""`metric=inversion`: how well a generator can make given images."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from gan_cli.checks import at_least_one, nonnegative, one_of, require
from gan_cli.data.base import Dataset
from gan_cli.errors import InputError
from gan_cli.evaluation.features import to_unit
from gan_cli.evaluation.unit import pixel_unit
from gan_cli.metrics.base import Direction, Measured, Metric, Sheet, Subject
from gan_cli.metrics.inversion import Inverted, invert
from gan_cli.streams import Streams

Examples = Literal["training", "unseen"]
_ROWS, _COLUMNS = 2, 16


class Inversion(Metric):
    """The mean square error of each example's reconstruction min_z ‖G(z) − x‖², by L-BFGS from several
    latents.

    inversion_mse ± inversion_mse_error: its mean over examples and the standard error. All examples' errors
    are kept, too: of several runs each example has one that makes it best (Metz et al. 2017, §3.4.2); and,
    as inversion_mse_digest, a number by which the example is known again.

    images: how many examples. examples: of those that the run trains on, as in the paper, or unseen. seed:
    which ones; of one data set they are the same for every run on the same kind of device, whatever its own
    seed. restarts, evaluations, history, tolerance, at_once: see `invert`. pixel_range: the unit, in which
    pixels are for the error; None for the data's own. A start keeps the class that it was drawn with. Raises
    ValueError for values out of range.
    """

    differentiates = True

    def __init__(
        self,
        dataset: Dataset,
        images: int = 128,
        restarts: int = 3,
        evaluations: int = 100,
        history: int = 10,
        tolerance: float = 1e-6,
        examples: Examples = "training",
        seed: int = 0,
        pixel_range: Sequence[float] | None = None,
        at_once: int = 1024,
    ) -> None:
        require(images >= 2, "images", "at least 2", images)
        at_least_one(restarts=restarts, evaluations=evaluations, history=history, at_once=at_once)
        nonnegative(tolerance=tolerance, seed=seed)
        one_of("examples", examples, get_args(Examples))
        self._dataset, self._images, self._restarts, self._examples = dataset, images, restarts, examples
        self._evaluations, self._history, self._tolerance = evaluations, history, tolerance
        self._seed, self._at_once = seed, at_once
        own = dataset.pixel_range
        self._unit = pixel_unit(pixel_range, own)
        self._stretch = 1.0 if self._unit is None or own is None else _width(self._unit) / _width(own)

    @property
    def names(self) -> tuple[str, ...]:
        return "inversion_mse", "inversion_mse_error"

    @property
    def about(self) -> str:
        unit = "points" if self._unit is None else "pixels in [{:g}, {:g}]".format(*self._unit)
        return (
            f"mean square error of {unit}; {self._images} {self._examples} examples, the best of "
            f"{self._restarts} L-BFGS searches for the latent of at most {self._evaluations} evaluations"
        )

    @property
    def better(self) -> dict[str, Direction]:
        return {"inversion_mse": "lower"}

    def preflight(self) -> None:
        if self._examples == "training":
            return
        unseen = self._dataset.held_out()
        if unseen is None:
            raise InputError(
                "metric.inversion.examples=unseen: there is no example that training does not see; take "
                "training, or data with another split"
            )
        unseen.preflight()

    def measure(self, subject: Subject) -> Measured:
        draw = subject.unseen if self._examples == "unseen" else subject.real
        assert draw is not None
        # The same examples for every run; for one run the same starts at every evaluation, so that its curve
        # shows the generator's changes alone.
        fixed = Streams(self._seed, subject.streams.device)
        x = draw(fixed.at("inversion/images", 0), self._images)
        starts = subject.latents(subject.streams.at("inversion/starts", 0), len(x) * self._restarts)
        found = invert(
            _of_its_class(subject),
            x,
            starts.unflatten(0, (len(x), self._restarts)),
            self._evaluations,
            self._history,
            self._tolerance,
            self._at_once,
        )
        errors = found.errors * self._stretch**2
        values = (errors.mean(), errors.std() / math.sqrt(len(errors)))
        sheets = {} if subject.pixel_range is None else {"reconstructions": _pairs(x, found)}
        each = {"inversion_mse": errors, "inversion_mse_digest": _digests(x, subject.pixel_range)}
        return Measured(dict(zip(self.names, values, strict=True)), sheets, each)


def _of_its_class(subject: Subject) -> Callable[[Tensor], Tensor]:
    """G whose derivative by what a latent says of its class is 0: a search leaves that as it is."""
    told = subject.condition
    if not told:
        return subject.generate
    return lambda z: subject.generate(torch.cat([z[:, :-told], z[:, -told:].detach()], 1))


def _pairs(x: Tensor, found: Inverted) -> Sheet:
    """Full rows of examples from all over the set, below each row that of their reconstructions."""
    columns = min(_COLUMNS, len(x))
    shown = min(_ROWS, len(x) // columns) * columns
    which = torch.linspace(0, len(x) - 1, shown, device=x.device).round().long()
    rows = zip(x[which].split(columns), found.images[which].split(columns), strict=True)
    return Sheet(torch.cat([part for pair in rows for part in pair]), columns)


def _digests(x: Tensor, pixel_range: tuple[float, float] | None) -> Tensor:
    """48 bits of a digest of each example, as whole numbers in float64, [n].

    Pixels are taken to 256 levels, so that the rounding of another device makes no other image of it.
    """
    levels = x.float() if pixel_range is None else (to_unit(x, pixel_range) * 255).round().to(torch.int16)
    rows = levels.cpu().numpy()
    found = [hashlib.blake2b(row.tobytes(), digest_size=6).digest() for row in rows]
    whole = [int.from_bytes(digest, "big") for digest in found]
    return torch.tensor(whole, dtype=torch.float64, device=x.device)


def _width(bounds: tuple[float, float]) -> float:
    return bounds[1] - bounds[0]
