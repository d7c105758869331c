"""The network of a data set's labels and how it is trained."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F

from gan_cli.data.base import Dataset, Table
from gan_cli.data.decoded import DecodedSet
from gan_cli.errors import InputError

WIDTHS = (24, 48, 64)  # channels after each halving, the last one's repeated
HIDDEN = 128
BATCH = 128
_RATE, _WARM_UP, _SHIFT = 5e-3, 0.2, 1 / 14
_LEAST, _EPOCHS, _MOST = 1000, 5, 4000  # updates: so many epochs, within these bounds
_KEPT_BACK = 10  # one example of so many is kept for testing, where the set has no others
_AT_ONCE = 512


class Net(nn.Module):
    """Image [B, C, S, S] → halving convolutions while the side is at least 8 → 128 features → scores."""

    def __init__(self, channels: int, size: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        widths = itertools.chain(WIDTHS, itertools.repeat(WIDTHS[-1]))
        while size >= 8:
            width = next(widths)
            kernel = 3 if layers else 5
            layers += [nn.Conv2d(channels, width, kernel, 2, kernel // 2, bias=False)]
            layers += [nn.BatchNorm2d(width), nn.ReLU()]
            channels, size = width, (size + 1) // 2
        self.features = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * size**2, HIDDEN), nn.ReLU())
        self.scores = nn.Linear(HIDDEN, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.scores(self.features(x))  # type: ignore[no-any-return]


class Labelled(NamedTuple):
    """Images uint8 [N, C, S, S] and their labels [N]."""

    images: Tensor
    labels: Tensor


class Parts(NamedTuple):
    """What a classifier is trained on and what it is tested on."""

    train: Labelled
    test: Labelled
    classes: int

    @property
    def steps(self) -> int:
        """The updates of an ordinary training: five epochs, at least 1,000 and at most 4,000."""
        return min(max(_EPOCHS * len(self.train.images) // BATCH, _LEAST), _MOST)


def parts(dataset: Dataset) -> Parts:
    """A data set's labelled examples and those that it holds out, or of its own every tenth.

    A label means the class of that name among the training examples. Raises InputError where there are no
    labels, fewer than two classes, no examples to test on, or held-out ones of a class of their own.
    """
    (own, names), unseen = _labelled(dataset), dataset.held_out()
    if unseen is None:
        kept = torch.arange(len(own.images)) % _KEPT_BACK == _KEPT_BACK - 1
        train, test = (Labelled(own.images[rows], own.labels[rows]) for rows in (~kept, kept))
    else:
        unseen.preflight()
        train, test = own, _renamed(*_labelled(unseen), names, name_of(dataset))
    classes = int(max(train.labels.max(), test.labels.max())) + 1
    if len(train.labels.unique()) < 2:
        raise InputError(f"{name_of(dataset)} has fewer than two classes: there is nothing to classify")
    return Parts(train, test, classes)


def _renamed(held_out: Labelled, names: Sequence[str], wanted: Sequence[str], title: str) -> Labelled:
    """Held-out examples with the training examples' label for each class, which go by other numbers where
    folders name the classes and either side lacks one."""
    if not names or not wanted or list(names) == list(wanted):
        return held_out
    number = {name: label for label, name in enumerate(wanted)}
    present = held_out.labels.unique().tolist()
    if unknown := [names[label] for label in present if names[label] not in number]:
        classes = f"{', '.join(unknown[:3])}{', …' if len(unknown) > 3 else ''}"
        raise InputError(
            f"{title}: the test images have classes that the training images lack ({classes}), so no "
            "classifier can be tested; use features=pixels or other folders"
        )
    labels = torch.tensor([number.get(name, -1) for name in names])
    return Labelled(held_out.images, labels[held_out.labels])


def _labelled(dataset: Dataset) -> tuple[Labelled, Sequence[str]]:
    """Its examples that have labels, and the labels' names."""
    data = dataset.load()
    labels = data.labels if isinstance(data, Table) else None
    if not isinstance(data, Table) or labels is None or not (labels >= 0).any():
        raise InputError(f"{name_of(dataset)} has no labels for a classifier: use features=pixels")
    images = data.images if isinstance(data.images, Tensor) else torch.from_numpy(np.asarray(data.images))
    # Black and white, where that is how they are fed.
    images = dataset.redraw(images, torch.Generator().manual_seed(0))
    told = torch.from_numpy(labels >= 0)
    if bool(told.all()):
        return Labelled(images, torch.from_numpy(labels)), data.class_names
    return Labelled(images[told], torch.from_numpy(labels)[told]), data.class_names


@torch.enable_grad()  # whoever measures may have switched it off
def fit(data: Parts, steps: int, seed: int = 0) -> Net:
    """A network trained by cross-entropy and Adam on batches of 128, each moved by up to 1/14 of its side.

    The rate rises linearly to 0.005 over a fifth of the steps and falls linearly to 0. The same seed gives
    the same network on one machine. It is in evaluation mode and its parameters need no gradients.
    """
    channels, size = data.train.images.shape[1:3]
    most = int(size * _SHIFT)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Net(channels, size, data.classes)
    random = torch.Generator().manual_seed(seed)
    adam = torch.optim.Adam(net.parameters(), _RATE)
    console = Console(stderr=True)
    quiet = not console.is_terminal
    for step in track(range(steps), "training a classifier", console=console, transient=True, disable=quiet):
        done = step / steps
        adam.param_groups[0]["lr"] = _RATE * min(done / _WARM_UP, (1 - done) / (1 - _WARM_UP))
        rows = torch.randint(len(data.train.images), (BATCH,), generator=random)
        shift = torch.randint(-most, most + 1, (2,), generator=random).tolist()
        x = torch.roll(data.train.images[rows] / 255, shift, (2, 3))
        adam.zero_grad()
        F.cross_entropy(net(x), data.train.labels[rows]).backward()
        adam.step()
    return net.eval().requires_grad_(False)


def accuracy(net: Net, data: Labelled) -> float:
    """The share of images that the network labels rightly."""
    right = [
        (net(x / 255).argmax(1) == y).sum()
        for x, y in zip(data.images.split(_AT_ONCE), data.labels.split(_AT_ONCE), strict=True)
    ]
    return int(torch.stack(right).sum()) / len(data.labels)


def name_of(dataset: Dataset) -> str:
    """What messages and files call a data set."""
    return dataset.stem() if isinstance(dataset, DecodedSet) else type(dataset).__name__
