"""Labels by number: those of the very rows of the batch, and the names that they stand for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gan_cli.data.base import Dataset, ImageSet, Table
from gan_cli.data.decoded import DecodedSet
from gan_cli.data.digits import Digits
from gan_cli.data.fake import Fake
from gan_cli.data.feed import Feed
from gan_cli.data.image_folder import ImageFolder
from gan_cli.data.mnist import KMNIST, MNIST, FashionMNIST
from gan_cli.data.stacked_mnist import StackedMNIST
from gan_cli.data.synthetic import Ring
from gan_cli.data.torchvision_set import TorchvisionSet
from gan_cli.errors import InputError
from gan_cli.streams import Streams
from tests.data.conftest import Files

CPU = torch.device("cpu")
DEVICES = [CPU, *(torch.device("cuda", k) for k in range(torch.cuda.device_count()))]


@dataclass(frozen=True, kw_only=True)
class Told(ImageSet):
    """Images that show their own label, the first few of them without one."""

    count: int = 50
    size: int = 4
    unknown: int = 0

    def load(self) -> Table:
        labels = np.random.default_rng(0).integers(0, 200, self.count)
        images = np.broadcast_to(labels.reshape(-1, 1, 1, 1), (self.count, *self.shape)).astype(np.uint8)
        labels[: self.unknown] = -1
        return Table(images, labels)


def feed(dataset: Dataset, budget_mb: float = 1024, rows: slice | None = None, device: Any = CPU) -> Feed:
    return Feed(dataset, 12, Streams(3, device), device, budget_mb, rows)


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize("budget_mb", [1024, 0])
@pytest.mark.parametrize("rows", [None, slice(0, 4), slice(8, 12)])
def test_labels_are_those_of_the_batch(budget_mb: float, rows: slice | None, device: torch.device) -> None:
    with feed(Told(), budget_mb, rows, device) as handed:
        for number in (0, 1, 2, 9, 3, 30):
            labels = handed.labels(number)
            assert labels.dtype == torch.int64
            assert labels.device == device
            assert torch.equal(labels, handed.batch(number)[:, 0, 0, 0].long()), number


def test_labels_do_not_depend_on_when_they_are_asked_for() -> None:
    first, later = feed(Told()), feed(Told(), 0)
    expected = [first.labels(n) for n in range(20)]
    for number in range(20):
        later.batch(number)
    with later:
        assert all(torch.equal(later.labels(n), expected[n]) for n in (19, 0, 7))


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Ring(), r"data \(Ring\) has no labels: labels for all examples have data=mnist, .*image_folder"),
        (Told(unknown=7), r"data \(Told\) has no label for 7 of 50 examples: labels for all .* data=mnist, "),
    ],
)
def test_data_without_labels_are_one_line(dataset: Dataset, message: str) -> None:
    handed = feed(dataset)
    handed.batch(0)
    with pytest.raises(InputError, match=message) as error:
        handed.labels(0)
    assert "\n" not in str(error.value)


def test_stacked_digits_have_no_labels(idx_root: Path) -> None:
    dataset = StackedMNIST(root=str(idx_root))
    assert dataset.classes == ()
    with pytest.raises(InputError, match="StackedMNIST"):
        feed(dataset).labels(0)


@pytest.mark.parametrize("kind", [MNIST, FashionMNIST, KMNIST])
def test_classes_are_the_names_in_the_table(kind: type[MNIST], idx_root: Path) -> None:
    dataset = kind(root=str(idx_root))
    assert dataset.classes == dataset.load().class_names
    assert len(dataset.classes) == 10
    through = TorchvisionSet(name=kind.name, root=str(idx_root), size=28, channels=1)
    assert through.classes == dataset.classes


@pytest.mark.parametrize("dataset", [Digits(), Fake(labels=3)])
def test_classes_of_sets_without_files(dataset: Digits | Fake) -> None:
    data = dataset.load()
    assert data.labels is not None
    assert dataset.classes == data.class_names
    assert set(data.labels.tolist()) == set(range(len(dataset.classes)))


def test_classes_that_are_known_without_files(tmp_path: Path) -> None:
    assert TorchvisionSet(name="CIFAR10", root=str(tmp_path)).classes[3] == "cat"
    assert len(TorchvisionSet(name="CIFAR10", root=str(tmp_path)).classes) == 10
    assert TorchvisionSet(name="STL10", root=str(tmp_path), split="unlabeled").classes == ()
    assert Ring().classes == ()


@pytest.mark.parametrize("name", ["folder", "images.tar", "images.zip"])
def test_classes_of_files_are_their_folders(
    name: str, pack: Callable[[str, Files], Path], images: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = ImageFolder(root=str(pack(name, images)), size=4)
    if name == "folder":
        monkeypatch.setattr(DecodedSet, "load", lambda *_: pytest.fail("the images were decoded"))
    assert dataset.classes == ("ant", "bee")
    monkeypatch.undo()
    assert replace(dataset).load().class_names == ("ant", "bee")
    assert feed(dataset).labels(0).shape == (12,)


def test_images_in_one_folder_have_no_classes(pack: Callable[[str, Files], Path], images: Files) -> None:
    ants = {name: data for name, data in images.items() if "ant" in name}
    dataset = ImageFolder(root=str(pack("folder", ants)), size=4)
    assert dataset.classes == ()
    with pytest.raises(InputError, match=r"data \(ImageFolder\) has no labels"):
        feed(dataset).labels(0)
