"""The archive of CIFAR-10's photographs as JPEG: where it is looked for, and which folder is for what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gan_cli.data.base import Table
from gan_cli.data.image_folder import ImageFolder
from tests.data.conftest import Files, encoded
from tests.data.test_configs import config, make


def test_its_place_below_the_folder_of_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_DATA", "/sets")
    assert config("cifar10_jpeg75")["root"] == "/sets/cifar10_jpeg75/CIFAR-10-images.tar.xz"


def test_training_sees_one_folder_and_the_metrics_the_other(pack: Callable[[str, Files], Path]) -> None:
    names = [
        *(f"train/{k}/{n}.jpg" for k in ("cat", "dog") for n in range(3)),
        "test/cat/0.jpg",
        "test/dog/0.jpg",
    ]
    archive = pack("CIFAR-10-images.tar.xz", {name: encoded(n, ".jpg") for n, name in enumerate(names)})
    training = make("cifar10_jpeg75", root=str(archive))
    assert isinstance(training, ImageFolder)
    unseen = training.held_out()
    assert unseen is not None
    for dataset, count in ((training, 6), (unseen, 2)):
        dataset.preflight()
        table = dataset.load()
        assert isinstance(table, Table)
        assert table.images.shape == (count, 3, 32, 32)
        assert table.class_names == ("cat", "dog")


def test_the_archive_itself(gan_data: Path) -> None:
    archive = gan_data / "cifar10_jpeg75" / "CIFAR-10-images.tar.xz"
    if not archive.is_file():
        pytest.skip("this folder of data has no cifar10_jpeg75/CIFAR-10-images.tar.xz")
    unseen = make("cifar10_jpeg75", root=str(archive)).held_out()
    assert unseen is not None
    table = unseen.load()
    assert isinstance(table, Table)
    assert table.images.shape == (10000, 3, 32, 32)
    assert len(table.class_names) == 10
