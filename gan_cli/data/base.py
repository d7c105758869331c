"""What a data set is: a shape known at once, and a table of examples or a distribution to draw from."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan_cli.checks import at_least_one, one_of
from gan_cli.data.binarization import Binarize, check_binarize, drawn_again, drawn_once, thresholded
from gan_cli.data.pixels import Pixels

Kind = Literal["image", "points"]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Table:
    """Finitely many examples: images uint8 [N, C, H, W], or points float [N, D] under the same name.

    labels: [N], each an index into class_names, or -1 where an example has none.
    """

    images: NDArray[np.generic] | Tensor
    labels: Labels | None = None
    class_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, index: Tensor | slice) -> Tensor:
        """The raw examples at these positions, where the examples are: on their device, or read from disk."""
        if isinstance(self.images, Tensor):
            return self.images[index if isinstance(index, slice) else index.to(self.images.device)]
        return torch.from_numpy(
            np.asarray(self.images[index if isinstance(index, slice) else index.cpu().numpy()])
        )

    @property
    def nbytes(self) -> int:
        """The size of the examples in bytes."""
        return int(self.images.nbytes)


class Sampler(ABC):
    """A law that can be drawn from without end."""

    @abstractmethod
    def sample(self, generator: torch.Generator, n: int) -> Tensor:
        """`n` independent draws, [n, *shape], on the generator's device."""

    @abstractmethod
    def to(self, device: torch.device) -> Sampler:
        """The same law with its tensors on `device`."""


@runtime_checkable
class Placing(Protocol):
    """A law whose draws are random numbers put in their places: `sample` is `placed(*draws)`."""

    def draws(self, generator: torch.Generator, n: int) -> tuple[Tensor, ...]:
        """The random numbers of n draws, each [n, …]."""
        ...

    def placed(self, *draws: Tensor) -> Tensor:
        """The points that they make: [..., n, …] -> [..., n, D]."""
        ...


class Distribution(Sampler):
    """A law on R^D whose density is known, with named modes.

    modes: [M, D]; scale: [M], the standard deviation of each mode; weights: [M], the modes' shares, None
    where all have the same.
    """

    modes: Tensor
    scale: Tensor
    weights: Tensor | None

    @abstractmethod
    def log_density(self, x: Tensor) -> Tensor:
        """ln p(x) in nats: [..., D] -> [...]."""

    @property
    def covariance(self) -> Tensor | None:
        """The covariance [D, D] of a Gaussian, and None of any other law."""
        return None

    @abstractmethod
    def to(self, device: torch.device) -> Distribution:
        """The same distribution with its tensors on `device`."""


class Dataset(ABC):
    """What `data=...` builds. Constructing one checks its arguments and reads nothing.

    Subclasses are frozen dataclasses whose fields are the keys of their yaml.
    """

    kind: ClassVar[Kind]
    default_steps: int

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of one example, known before anything is read: (C, H, W) or (D,)."""

    @property
    def pixel_range(self) -> tuple[float, float] | None:
        """What the values 0 and 255 of a pixel become; None for points."""
        return None

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the labels 0, 1, … that all examples have; empty where they have none, or where that
        is not known before they are read."""
        return ()

    @property
    def binary(self) -> bool:
        """Whether each value that the critic sees is one of two."""
        return False

    @property
    def redraws(self) -> bool:
        """Whether `redraw` changes anything."""
        return False

    def preflight(self) -> None:  # noqa: B027 - most data sets have nothing to look for
        """Look for the files, and download them where that is asked for and they are missing.

        Raises InputError if they are not there afterwards.
        """

    def held_out(self) -> Dataset | None:
        """The same set's examples that training does not see, None where there are none.

        A law gives itself: each draw from it is a new one.
        """
        return None

    @abstractmethod
    def load(self) -> Table | Sampler:
        """Read the examples, or build the law to draw them from. Raises InputError where the files are
        damaged."""

    def redraw(
        self, raw: Tensor, generator: torch.Generator, rows: slice | None = None, of: int | None = None
    ) -> Tensor:
        """Raw examples as they are this time, where they are drawn anew whenever they are used: [B, …] -> the
        same shape. The identity for most sets.

        raw: a whole batch, or its rows `rows` of `of`, on the generator's device. Pure but for the generator.
        """
        return raw

    def prepare(self, raw: Tensor) -> Tensor:
        """Raw examples to what the critic sees; the identity for points. Pure, and safe under vmap."""
        return raw


@dataclass(frozen=True, kw_only=True)
class ImageSet(Dataset):
    """A set of square images.

    size: height and width in pixels, to which every image is resized.
    channels: 1 (grey) or 3 (RGB); images of the other sort are converted.
    pixel_range: (low, high), the floats that 0 and 255 become. [-1, 1] goes with a tanh output, [0, 1] with a
        sigmoid; [0.1, 0.9] is the unit in which the f-GAN paper's MNIST likelihoods come out.
    binarize: `threshold` makes a pixel 255 from 128 on, else 0; `fixed` draws it once, 255 with probability
        raw/255, by `binarize_seed` and never by the run's; `stochastic` draws it so whenever it is used.
    default_steps: the updates of a run that sets no `steps`.
    """

    size: int = 32
    channels: Literal[1, 3] = 3
    pixel_range: tuple[float, float] = (-1.0, 1.0)
    binarize: Binarize = "none"
    binarize_seed: int = 0
    default_steps: int = 20000

    kind: ClassVar[Kind] = "image"

    def __post_init__(self) -> None:
        at_least_one(size=self.size, default_steps=self.default_steps)
        one_of("channels", self.channels, (1, 3))
        check_binarize(self.binarize, self.binarize_seed)
        bounds = tuple(float(value) for value in self.pixel_range)
        if len(bounds) != 2 or not all(map(math.isfinite, bounds)) or bounds[0] >= bounds[1]:
            raise ValueError(f"pixel_range must be two numbers, low < high, got {list(self.pixel_range)}")
        object.__setattr__(self, "pixel_range", bounds)

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W)."""
        return (self.channels, self.size, self.size)

    @property
    def binary(self) -> bool:
        """Whether each pixel is black or white."""
        return self.binarize != "none"

    @property
    def redraws(self) -> bool:
        return self.binarize == "stochastic"

    def redraw(
        self, raw: Tensor, generator: torch.Generator, rows: slice | None = None, of: int | None = None
    ) -> Tensor:
        if not self.redraws:
            return raw
        return drawn_again(raw, generator, rows or slice(None), len(raw) if of is None else of)

    def binarized(self, table: Table) -> Table:
        """The table with the images that `binarize` makes of its own once and for all."""
        if self.binarize not in ("threshold", "fixed"):
            return table
        images = np.asarray(table.images)
        if self.binarize == "threshold":
            return replace(table, images=thresholded(images))
        made = np.empty_like(images)
        for number, image in enumerate(images):
            made[number] = self.binarized_image(image)
        return replace(table, images=made)

    def binarized_image(self, image: Pixels) -> Pixels:
        """The same for one image, uint8 [C, H, W]."""
        if self.binarize == "threshold":
            return thresholded(image)
        return drawn_once(image, self.binarize_seed) if self.binarize == "fixed" else image

    def prepare(self, raw: Tensor) -> Tensor:
        """low + (high − low)·raw/255 in torch's default precision: uint8 [..., C, H, W] -> the same shape.

        >>> FakeImages = type("FakeImages", (ImageSet,), {"load": lambda self: None})
        >>> FakeImages(pixel_range=(0.0, 1.0)).prepare(torch.tensor([0, 51, 255], dtype=torch.uint8))
        tensor([0.0000, 0.2000, 1.0000])
        """
        low, high = self.pixel_range
        # One division instead of a product by (high − low)/255, which would miss 1 by a rounding error.
        return raw / (255 / (high - low)) + low
