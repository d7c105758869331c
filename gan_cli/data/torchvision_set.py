"""Any image set of torchvision, by the name of its class."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gan_cli.data.base import ImageSet, Table
from gan_cli.data.decoded import DecodedSet
from gan_cli.data.download import fetch_torchvision, one_line
from gan_cli.data.mnist import KMNIST, MNIST, FashionMNIST
from gan_cli.data.sources import Indexed
from gan_cli.errors import InputError, nearest

# Read by our own reader, which needs neither unpacked files nor a writable folder.
_IDX: dict[str, type[MNIST]] = {"MNIST": MNIST, "FashionMNIST": FashionMNIST, "KMNIST": KMNIST}
_DIGITS = tuple("0123456789")
_CIFAR10 = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
_CLASSES = {"CIFAR10": _CIFAR10, "SVHN": _DIGITS, "USPS": _DIGITS}
_ELSEWHERE = {"ImageFolder": "image_folder", "DatasetFolder": "image_folder", "FakeData": "fake"}
_NO_IMAGES = ("Kinetics", "HMDB51", "UCF101", "MovingMNIST", "LFWPairs", "PhotoTour", "VisionDataset")
_NO_IMAGE_MODULES = ("_optical_flow", "_stereo_matching")


class _MissingError(InputError):
    """The files are not there, or not whole."""


@dataclass(frozen=True, kw_only=True)
class TorchvisionSet(DecodedSet):
    """The set that `torchvision.datasets.<name>` reads, its files laid out in `root` as it wants them.

    split: for classes with `split` its value, for classes with `train` train or test; unset, the default.
    args: further arguments of the class, by name.
    download: whether to download what is missing, before the run starts.
    """

    name: str = "SVHN"
    split: str | None = None
    args: Mapping[str, Any] | None = None
    download: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name in _IDX:
            self._idx()
        else:
            cls = image_class(self.name)
            _check(cls, self._arguments(cls))

    @property
    def classes(self) -> tuple[str, ...]:
        """Those of MNIST and its relatives, CIFAR-10, SVHN and USPS; others are known from their files."""
        return self._idx().classes if self.name in _IDX else _CLASSES.get(self.name, ())

    def title(self) -> str:
        return f"torchvision's {self.name} in data.root={self.root}"

    def stem(self) -> str:
        return self.name

    def held_out(self) -> TorchvisionSet | None:
        """The split `test` where this is a split for training."""
        return replace(self, split="test") if (self.split or "").startswith("train") else None

    def preflight(self) -> None:
        if self.name in _IDX:
            self._idx().preflight()
            return
        source = self.source()
        if source.total() and (sort := source.sort_of_first()) is not None:
            raise InputError(f"torchvision's {self.name} is no set of images: it gives a {sort}")
        super().preflight()

    def load(self) -> Table:
        """The set's images, uint8 [N, C, size, size], and its labels where they are whole numbers."""
        if self.name in _IDX:
            return self._idx().load()
        table = super().load()
        self.__dict__.pop("_data", None)
        return table

    def source(self) -> Indexed:
        arguments = json.dumps(self._arguments(image_class(self.name)), sort_keys=True, default=str)
        return Indexed(self._data, [self.root, self.name, arguments])

    def class_names(self) -> Sequence[str]:
        names = getattr(self._data, "classes", ())
        return [str(name) for name in names] if isinstance(names, list | tuple) else ()

    def _idx(self) -> MNIST:
        """The same as one of our own sets; raises ValueError where it has no such split."""
        if self.args:
            raise ValueError(f"args must be unset for {self.name}, got {dict(self.args)}")
        shared = {field.name: getattr(self, field.name) for field in fields(ImageSet)}
        split: Any = self.split or "train"
        return _IDX[self.name](root=self.root, split=split, download=self.download, **shared)

    def _arguments(self, cls: Any) -> dict[str, Any]:
        """What the class is called with besides root; raises ValueError where it has no such split."""
        arguments = dict(self.args or {})
        names = inspect.signature(cls).parameters
        if self.split is None:
            return arguments
        if "split" in names:
            return {"split": self.split, **arguments}
        if "train" not in names:
            raise ValueError(f"split must be unset for {self.name}, which has none, got {self.split}")
        if self.split not in ("train", "test"):
            raise ValueError(f"split must be train or test for {self.name}, got {self.split}")
        return {"train": self.split == "train", **arguments}

    @cached_property
    def _data(self) -> Any:
        """The opened set, kept from `preflight` to `load`."""
        cls = image_class(self.name)
        try:
            return self._open(cls)
        except _MissingError as error:
            missing = str(error)
        if not self.download or not _downloads(cls):
            how = "torchvision cannot download it" if self.download else "data.download=false"
            raise InputError(f"{missing}, and {how}")
        try:
            fetch_torchvision(cls, Path(self.root), self._arguments(cls))
        except InputError as error:
            raise InputError(f"{missing}, and its download failed: {error}") from error
        return self._open(cls)

    def _open(self, cls: Any) -> Any:
        extra = {"download": False} if _downloads(cls) else {}
        try:
            return cls(root=self.root, **self._arguments(cls), **extra)
        except (RuntimeError, OSError) as error:
            reason = one_line(error).split(". You can use download")[0]
            base = getattr(cls, "base_folder", None)
            expected = f", expected {Path(self.root) / base}" if isinstance(base, str) else ""
            raise _MissingError(f"{self.title()} cannot be read ({reason}{expected})") from error
        except Exception as error:  # torchvision raises what its many formats raise
            raise InputError(f"{self.title()} cannot be opened ({one_line(error)})") from error


def image_class(name: str) -> Any:
    """The class `name` of torchvision.datasets. Raises ValueError unless it is one of images."""
    module = importlib.import_module("torchvision.datasets")  # late: it takes a second
    found = {name: thing for name, thing in vars(module).items() if inspect.isclass(thing)}
    classes = {name: cls for name, cls in found.items() if issubclass(cls, module.VisionDataset)}
    flow = {name for name, cls in classes.items() if cls.__module__.endswith(_NO_IMAGE_MODULES)}
    usable = classes.keys() - flow - {*_NO_IMAGES, *_ELSEWHERE}
    if name in _ELSEWHERE:
        raise ValueError(f"name must not be {name}: data={_ELSEWHERE[name]} does its work")
    if name in classes and name not in usable:
        raise ValueError(f"name must be a set of single images, got {name}")
    if name not in usable:
        near = nearest(name, usable)
        raise ValueError(f"name must be an image set of torchvision.datasets, got {name}{near}")
    return classes[name]


def _check(cls: Any, arguments: dict[str, Any]) -> None:
    """Raise ValueError unless the class can be called with `arguments`."""
    signature = inspect.signature(cls)
    try:
        signature.bind(root="", **arguments)
    except TypeError as error:
        names = [n for n in signature.parameters if n not in ("root", "download") and "transform" not in n]
        raise ValueError(f"args must fit {cls.__name__}({', '.join(names)}): {error}") from error


def _downloads(cls: Any) -> bool:
    """Whether the class takes `download` itself or hands it on to MNIST."""
    ancestors = {ancestor.__name__ for ancestor in cls.__mro__}
    return "download" in inspect.signature(cls).parameters or "MNIST" in ancestors
