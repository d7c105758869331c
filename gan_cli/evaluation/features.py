"""What two sets of samples are compared by: their pixels, or what a classifier sees in them."""

from __future__ import annotations

import hashlib
import importlib
import io
import pickle
from abc import ABC, abstractmethod
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from gan_cli.checks import one_of, require
from gan_cli.data.base import Dataset
from gan_cli.data.places import absolute
from gan_cli.errors import InputError
from gan_cli.evaluation.classifier import Classifier

Name = Literal["pixels", "classifier", "inception"]
_AT_ONCE = 64
_NO_WEIGHTS = (OSError, RuntimeError, ValueError, TypeError, KeyError, EOFError, pickle.UnpicklingError)


class Features(ABC):
    """A map from examples to vectors, the same for all runs on a data set."""

    @property
    @abstractmethod
    def about(self) -> str:
        """What the vectors are, in one line."""

    def preflight(self) -> None:  # noqa: B027 - pixels need nothing
        """Look for what it needs, or make it, before anything is trained. Raises InputError."""

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """The vectors of examples in the data's pixel range: [n, *shape] -> float [n, F], on x's device."""


class Scores(Features):
    """Features from a classifier, which gives class scores, too."""

    @abstractmethod
    def logits(self, x: Tensor) -> Tensor:
        """Unnormalised log-probabilities of the classes: [n, *shape] -> float [n, classes]."""


def extractor(name: Name, dataset: Dataset, weights: str | None = None) -> Features:
    """The features of that name for a data set's examples; `weights` is InceptionV3's file.

    pixels: the examples as vectors, images on [0, 1]. classifier: the last hidden layer of a classifier of
    the data set's own labels. inception: the pooled features of FID. Reads nothing. Raises ValueError for
    another name, and for images' features of points. Equal arguments give one and the same object, so that
    several metrics share a network.

    >>> from gan_cli.data.digits import Digits
    >>> extractor("pixels", Digits(size=8))(torch.ones(5, 1, 8, 8)).shape
    torch.Size([5, 64])
    """
    one_of("features", name, get_args(Name))
    if name == "pixels":
        return Pixels(dataset)
    require(dataset.kind == "image", "features", "pixels for points", name)
    path = None if weights is None else Path(absolute(weights))
    try:
        hash(dataset)
    except TypeError:  # one with a mapping among its arguments
        return _network(name, dataset, path)
    return _shared(name, dataset, path)


def _network(name: Name, dataset: Dataset, weights: Path | None) -> Features:
    return Classified(dataset) if name == "classifier" else Inception(dataset, weights)


_shared = lru_cache(maxsize=8)(_network)


def to_unit(x: Tensor, pixel_range: tuple[float, float] | None) -> Tensor:
    """Pixels on [0, 1]; points as they are.

    >>> to_unit(torch.tensor([-1.0, 0.0, 1.0]), (-1.0, 1.0))
    tensor([0.0000, 0.5000, 1.0000])
    """
    if pixel_range is None:
        return x
    low, high = pixel_range
    return (x - low) / (high - low)


class Pixels(Features):
    """The example itself as a vector: points as they are, images on [0, 1]."""

    def __init__(self, dataset: Dataset) -> None:
        self._range = dataset.pixel_range

    @property
    def about(self) -> str:
        return "coordinates" if self._range is None else "pixels in [0, 1]"

    def __call__(self, x: Tensor) -> Tensor:
        return to_unit(x, self._range).flatten(1)


class Classified(Scores):
    """The last hidden layer of a classifier of the data set's labels (see `Classifier`).

    Of images whose channels are examples of their own, as stacked digits are, the vectors of the channels
    stand side by side, and a class is a combination of theirs.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._range = dataset.pixel_range
        self._classifier = Classifier(dataset)

    @property
    def about(self) -> str:
        return self._classifier.about

    def preflight(self) -> None:
        self._classifier.preflight()

    def __call__(self, x: Tensor) -> Tensor:
        return self._classifier.features(to_unit(x, self._range)).flatten(1)

    def logits(self, x: Tensor) -> Tensor:
        """ln p(class), [n, classes]; of k channels [n, classesᵏ], the first changing slowest."""
        parts = self._classifier.logits(to_unit(x, self._range)).log_softmax(-1)
        joint = parts[:, 0]
        for part in parts.unbind(1)[1:]:
            joint = (joint[:, :, None] + part[:, None]).flatten(1)
        return joint


class Inception(Scores):
    """The 2048 pooled features of FID's InceptionV3 (Heusel et al. 2017) by torch-fidelity, from a file.

    Images are rounded to 256 levels, grey ones repeated as three channels, and resized to 299×299 as
    TensorFlow 1 did. The file is never downloaded, and only tensors are read from it.
    """

    def __init__(self, dataset: Dataset, weights: Path | None) -> None:
        self._range = dataset.pixel_range
        self._channels = dataset.shape[0]
        self._path = weights

    @property
    def about(self) -> str:
        file = "no file" if self._path is None else self._path.name
        return f"2048 features of FID's InceptionV3 by torch-fidelity, weights {file}{self._digest}"

    def preflight(self) -> None:
        _ = self._net

    def __call__(self, x: Tensor) -> Tensor:
        return self._read(x)[0]

    def logits(self, x: Tensor) -> Tensor:
        """Scores without the last layer's bias, as the Inception score takes them: [n, 1008]."""
        return self._read(x)[1]

    @torch.no_grad()
    def _read(self, x: Tensor) -> list[Tensor]:
        net = self._net.to(x.device)
        levels = (to_unit(x, self._range) * 255).round().clamp(0, 255).to(torch.uint8)
        colour = levels.expand(-1, 3, -1, -1) if self._channels == 1 else levels
        parts = [net(part) for part in colour.split(_AT_ONCE)]
        return [torch.cat(same) for same in zip(*parts, strict=True)]

    @cached_property
    def _digest(self) -> str:
        if self._path is None or not self._path.is_file():
            return ""
        return f" (sha256 {hashlib.sha256(self._path.read_bytes()).hexdigest()[:8]})"

    @cached_property
    def _net(self) -> torch.nn.Module:
        """The network with the file's weights. Raises InputError where package or file will not do."""
        try:
            module: Any = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
        except ImportError as error:
            raise InputError(
                "features=inception needs the package torch-fidelity: pip install 'gan-train[inception]'"
            ) from error
        wanted = f"expected {Path(module.URL_INCEPTION_V3).name} of torch-fidelity's releases"
        if self._path is None:
            raise InputError(f"features=inception needs weights=<file>: {wanted}")
        try:
            # The package itself would unpickle anything, so it is handed tensors that were read before.
            tensors = io.BytesIO()
            torch.save(torch.load(self._path, map_location="cpu", weights_only=True), tensors)
            tensors.seek(0)
            net: torch.nn.Module = module.FeatureExtractorInceptionV3(
                "inception", ["2048", "logits_unbiased"], feature_extractor_weights_path=tensors
            )
        except FileNotFoundError as error:
            raise InputError(f"weights={self._path} is not there: {wanted}") from error
        except _NO_WEIGHTS as error:
            raise InputError(f"weights={self._path} does not hold InceptionV3's weights: {wanted}") from error
        return net
