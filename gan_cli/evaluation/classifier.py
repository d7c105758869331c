"""A classifier of a data set's labels, trained once and kept: what features and modes of images go by."""

from __future__ import annotations

import fcntl
import hashlib
import io
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gan_cli.checks import at_least_one, require
from gan_cli.data.base import Dataset
from gan_cli.data.decoded import BESIDE, DecodedSet
from gan_cli.data.mnist import MNIST
from gan_cli.data.places import user_cache, writable
from gan_cli.data.stacked_mnist import StackedMNIST
from gan_cli.evaluation.classifier_training import HIDDEN, Net, Parts, accuracy, fit, name_of, parts
from gan_cli.files import guarded, write_atomic

log = logging.getLogger(__name__)

VERSION = 1  # of network, training and file: a new one leaves old files aside
_AT_ONCE = 512
_DIGEST = 32  # bytes at the head of a file: the digest of the rest
_MOST_BYTES = 1 << 28  # of the images that name a file; of more every n-th


class Trained(NamedTuple):
    """A network in evaluation mode, its share of right answers, and on how many images that was found."""

    net: Net
    accuracy: float
    tested: int


class Classifier:
    """The classifier of a data set's labels, read from a cache, or else trained and kept there.

    Of Stacked MNIST it is the classifier of single digits, and reads every channel by itself. It is trained
    on the data set's own examples, for `steps` updates (see `Parts.steps`), and tested on those that the set
    holds out or, where it holds out none, on every tenth, which it is then not trained on.

    Its file lies in .gan-train-cache beside the data or, where that folder cannot be written, in the user's
    cache. The name holds a digest of the images and labels, the head one of the content: a torn or altered
    file is trained anew, never used. Raises ValueError for points, and for steps below 1.
    """

    def __init__(self, dataset: Dataset, steps: int | None = None) -> None:
        require(dataset.kind == "image", "data", "images for a classifier", dataset.kind)
        if steps is not None:
            at_least_one(steps=steps)
        self.dataset: Dataset = dataset.digits if isinstance(dataset, StackedMNIST) else dataset
        self._steps = steps

    @property
    def about(self) -> str:
        """What it is and, once it is there, which weights it has and how well it does, in a line."""
        trained: Trained | None = self.__dict__.get("trained")
        name = f"{HIDDEN} features of a small classifier of {name_of(self.dataset)}'s labels"
        if trained is None:
            return name
        right = f"{trained.accuracy:.2%} of {trained.tested} test images right"
        return f"{name}, weights {_identity(trained.net)}, {right}"

    def preflight(self) -> None:
        """Read it or train it. Raises InputError for data without labels or with fewer than two classes."""
        _ = self.trained

    def features(self, x: Tensor) -> Tensor:
        """What the last layer reads, k vectors for k times the channels of the set that it is trained on.

        x: images on [0, 1], [n, C, S, S] -> [n, k, 128], on x's device.
        """
        return self._read(self.trained.net.features, x)

    def logits(self, x: Tensor) -> Tensor:
        """Unnormalised log-probabilities of the classes: images as for `features` -> [n, k, classes]."""
        return self._read(self.trained.net, x)

    @torch.no_grad()
    def _read(self, net: nn.Module, x: Tensor) -> Tensor:
        net.to(x.device)
        singles = x.unflatten(1, (-1, self.dataset.shape[0])).flatten(0, 1)
        found = torch.cat([net(part) for part in singles.split(_AT_ONCE)])
        return found.reshape(len(x), -1, found.shape[1])

    @cached_property
    def trained(self) -> Trained:
        """The network. Raises InputError as `preflight` does."""
        data = parts(self.dataset)
        steps = self._steps or data.steps
        name, folders = self._file(data, steps), _folders(self.dataset)
        found = _kept(folders, name, self._blank(data))
        if found is not None:
            return found
        home = next((folder for folder in folders if writable(folder)), None)
        if home is None:
            log.warning("no cache can be written: the classifier is trained for this run alone")
            return self._train(data, steps)
        with _alone(home):  # another process may be training the same one
            found = _kept(folders, name, self._blank(data))
            if found is None:
                found = self._train(data, steps)
                write_atomic(home / name, _packed(found))
        return found

    def _blank(self, data: Parts) -> Net:
        return Net(self.dataset.shape[0], self.dataset.shape[1], data.classes)

    def _file(self, data: Parts, steps: int) -> str:
        shape = "x".join(map(str, self.dataset.shape))
        digest = hashlib.blake2b(repr((VERSION, data.classes, steps)).encode(), digest_size=8)
        for tensor in (*data.train, *data.test):
            digest.update(repr(tuple(tensor.shape)).encode())
            digest.update(tensor[:: max(1, tensor.nbytes // _MOST_BYTES)].numpy().tobytes())
        return f"classifier-{name_of(self.dataset)}-{shape}-{digest.hexdigest()}.pt"

    def _train(self, data: Parts, steps: int) -> Trained:
        begin, name = time.perf_counter(), name_of(self.dataset)
        net = fit(data, steps)
        found = Trained(net, accuracy(net, data.test), len(data.test.labels))
        took = time.perf_counter() - begin
        log.info("trained a classifier of %s in %.0f s: accuracy %.4f", name, took, found.accuracy)
        return found


def _identity(net: Net) -> str:
    """The first 8 hex digits of the SHA-256 of its parameters and statistics, in their order."""
    digest = hashlib.sha256()
    for tensor in net.state_dict().values():
        digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()[:8]


def _folders(dataset: Dataset) -> list[Path]:
    """Where its file may lie, the best place first."""
    if isinstance(dataset, DecodedSet):
        return [Path(dataset.cache)] if dataset.cache else [dataset.home() / BESIDE, user_cache()]
    return [dataset.folder.parent / BESIDE, user_cache()] if isinstance(dataset, MNIST) else [user_cache()]


def _packed(trained: Trained) -> bytes:
    file = io.BytesIO()
    held = {"net": trained.net.state_dict(), "accuracy": trained.accuracy, "tested": trained.tested}
    torch.save(held, file)
    return _digest(file.getvalue()) + file.getvalue()


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST).digest()


def _kept(folders: Sequence[Path], name: str, net: Net) -> Trained | None:
    """What the first whole file of that name holds, its weights in `net`."""
    for folder in folders:
        try:
            raw = (folder / name).read_bytes()
        except OSError:
            continue
        if _digest(raw[_DIGEST:]) != raw[:_DIGEST]:
            log.warning("%s is damaged: the classifier is trained anew", folder / name)
            continue
        held = torch.load(io.BytesIO(raw[_DIGEST:]), weights_only=True)
        net.load_state_dict(held["net"])
        return Trained(net.eval().requires_grad_(False), held["accuracy"], held["tested"])
    return None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold `folder`, made if need be, against other processes that train a classifier for it."""
    with guarded(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)  # which unlocks it
