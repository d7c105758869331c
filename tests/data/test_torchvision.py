"""torchvision's sets by name: refusals in one line, and reading one that needs no download."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.datasets

from gan_cli.data.base import Table
from gan_cli.data.download import fetch_torchvision
from gan_cli.data.torchvision_set import TorchvisionSet, image_class
from gan_cli.errors import InputError

Files = dict[str, bytes]
Pack = Callable[[str, Files], Path]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"name": "CIFRA10"},
            r"name must be an image set of torchvision.datasets, got CIFRA10 \(did you mean 'CIFAR10'",
        ),
        ({"name": "svhn"}, "got svhn"),
        ({"name": "Kinetics"}, "name must be a set of single images, got Kinetics"),
        ({"name": "FlyingChairs"}, "name must be a set of single images, got FlyingChairs"),
        ({"name": "ImageFolder"}, "data=image_folder does its work"),
        ({"name": "CIFAR10", "split": "valid"}, "split must be train or test for CIFAR10, got valid"),
        ({"name": "EuroSAT", "split": "test"}, "split must be unset for EuroSAT, which has none, got test"),
        ({"name": "CocoDetection"}, "args must fit CocoDetection.*missing a required argument: 'annFile'"),
        ({"name": "DTD", "args": {"partitoin": 2}}, "args must fit DTD.*'partitoin'"),
        ({"name": "MNIST", "split": "valid"}, "split must be one of train, test, all, got 'valid'"),
        ({"name": "MNIST", "args": {"train": True}}, "args must be unset for MNIST"),
        ({"fit": "stretch"}, "fit must be one of crop, squash, got 'stretch'"),
        ({"on_bad_image": "ignore"}, "on_bad_image must be one of error, skip, got 'ignore'"),
    ],
)
def test_what_cannot_be_is_refused_at_construction(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TorchvisionSet(**options)


def test_every_image_set_is_offered() -> None:
    for name in (
        "CIFAR10",
        "CIFAR100",
        "SVHN",
        "STL10",
        "Flowers102",
        "Food101",
        "USPS",
        "EMNIST",
        "CelebA",
        "Omniglot",
    ):
        assert image_class(name) is getattr(torchvision.datasets, name)


@pytest.mark.parametrize(
    ("name", "split"), [("CIFAR10", "train"), ("STL10", "unlabeled"), ("SVHN", None), ("EMNIST", "letters")]
)
def test_missing_files_without_network_are_one_line(
    name: str, split: str | None, tmp_path: Path, no_network: None
) -> None:
    dataset = TorchvisionSet(name=name, split=split, root=str(tmp_path / "none"))
    with pytest.raises(InputError, match="download failed") as raised:
        dataset.preflight()
    assert f"data.root={tmp_path}/none" in str(raised.value)
    if name == "CIFAR10":
        assert f"expected {tmp_path}/none/cifar-10-batches-py" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "none").exists()
    with pytest.raises(InputError, match=r"data\.download=false"):
        TorchvisionSet(name=name, split=split, root=str(tmp_path / "none"), download=False).preflight()


@pytest.mark.parametrize("name", ["FER2013", "ImageNet"])
def test_what_torchvision_cannot_download_says_so(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="torchvision cannot download it"):
        TorchvisionSet(name=name, root=str(tmp_path)).preflight()


def test_what_the_class_refuses_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be opened .*Unknown value 'nope' for argument split"):
        TorchvisionSet(name="DTD", split="nope", root=str(tmp_path)).preflight()


def eurosat(root: Path, images: Files) -> Files:
    files = {name: data for name, data in images.items() if name.endswith((".png", ".JPG")) and data}
    for name, data in files.items():
        path = root / "eurosat" / "2750" / name.removeprefix("set/").replace("/deep", "")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return files


def test_a_set_on_disk_is_read_with_its_labels(
    images: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {name: data for name, data in eurosat(tmp_path, images).items() if "hidden" not in name}
    dataset = TorchvisionSet(name="EuroSAT", root=str(tmp_path), size=9)
    dataset.preflight()
    data = dataset.load()
    assert isinstance(data, Table)
    assert data.images.shape == (len(files), *dataset.shape)
    assert data.labels is not None
    assert data.labels.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert data.class_names == ("ant", "bee")
    assert "_data" not in vars(dataset), "torchvision's own object is let go"
    monkeypatch.setattr("gan_cli.data.decoded.to_pixels", None)  # from now on the cache serves
    again = TorchvisionSet(name="EuroSAT", root=str(tmp_path), size=9).load()
    assert np.array_equal(again.images, data.images)


def test_mnist_by_name_needs_no_unpacked_files(idx_root: Path) -> None:
    dataset = TorchvisionSet(name="MNIST", root=str(idx_root), split="test", size=28, channels=1)
    dataset.preflight()
    assert np.asarray(dataset.load().images).shape == (20, 1, 28, 28)


def test_examples_that_are_no_images_are_refused(
    images: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    eurosat(tmp_path, images)
    monkeypatch.setattr(torchvision.datasets.EuroSAT, "__getitem__", lambda self, i: (torch.zeros(3), 0))
    with pytest.raises(InputError, match="torchvision's EuroSAT is no set of images: it gives a Tensor"):
        TorchvisionSet(name="EuroSAT", root=str(tmp_path), size=9).preflight()


class Downloaded:
    """Stands for a torchvision class whose download breaks off, or succeeds."""

    fails = False

    def __init__(self, root: str, download: bool) -> None:
        folder = Path(root) / "base"
        folder.mkdir(exist_ok=True)
        (folder / "part").write_bytes(b"1")
        if self.fails:
            raise RuntimeError("the connection\nbroke off")
        self.archive = (Path(root) / "put-here-by-hand.tar.gz").read_bytes()
        (folder / "image").write_bytes(self.archive)


def test_downloads_arrive_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "put-here-by-hand.tar.gz").write_bytes(b"packed")
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "old").write_bytes(b"0")

    def held() -> dict[str, bytes]:
        return {
            p.relative_to(tmp_path).as_posix(): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()
        }

    before = held()
    monkeypatch.setattr(Downloaded, "fails", True)
    with pytest.raises(InputError, match="the connection broke off"):
        fetch_torchvision(Downloaded, tmp_path, {})
    assert held() == before
    monkeypatch.setattr(Downloaded, "fails", False)
    fetch_torchvision(Downloaded, tmp_path, {})
    assert held() == {**before, "base/part": b"1", "base/image": b"packed"}
    assert not any(path.name.startswith(".download") for path in tmp_path.iterdir())
