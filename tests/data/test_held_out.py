"""Examples that training does not see: of the same law, and none of those that it does."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gan_cli.data.base import Dataset, Sampler, Table
from gan_cli.data.celeba import CelebA
from gan_cli.data.digits import Digits
from gan_cli.data.fake import Fake
from gan_cli.data.gaussian import Gaussian
from gan_cli.data.image_folder import ImageFolder
from gan_cli.data.mnist import MNIST
from gan_cli.data.synthetic import Ring
from gan_cli.data.torchvision_set import TorchvisionSet


def _rows(dataset: Dataset | None) -> set[bytes]:
    assert dataset is not None
    table = dataset.load()
    assert isinstance(table, Table)
    return {np.asarray(image).tobytes() for image in table.images}


def test_digits_are_parted() -> None:
    train, every = Digits(split="train"), _rows(Digits())
    kept = train.held_out()
    assert _rows(train) | _rows(kept) == every
    assert not _rows(train) & _rows(kept)
    assert Digits().held_out() is Digits(split="test").held_out() is None


@pytest.mark.parametrize("kind", [MNIST, CelebA, TorchvisionSet])
def test_a_training_split_holds_out_the_test_split(kind: type) -> None:
    name = {"name": "CIFAR10"} if kind is TorchvisionSet else {}
    kept = kind(split="train", size=8, **name).held_out()
    assert (kept.split, kept.size) == ("test", 8)
    assert kept.held_out() is None


def test_noise_holds_out_other_noise() -> None:
    assert not _rows(Fake(count=9)) & _rows(Fake(count=9).held_out())


def test_a_law_is_its_own() -> None:
    for law in (Ring(), Gaussian()):
        kept = law.held_out()
        assert kept is not None
        drawn = kept.load()
        assert isinstance(drawn, Sampler)
        assert drawn.sample(torch.Generator(), 3).shape == (3, 2)


def test_a_folder_keeps_a_part_of_it(tmp_path: Path) -> None:
    for number, name in enumerate(("train/a", "train/b", "test/a")):
        folder = tmp_path / "set" / name
        folder.mkdir(parents=True)
        Image.new("L", (4, 4), 40 * number).save(folder / "1.png")
    one = partial(ImageFolder, root=str(tmp_path / "set"), size=4, channels=1, cache=str(tmp_path))
    folder_set = one(subfolder="train", test_subfolder="test")
    assert _rows(folder_set.held_out()) == {bytes([80]) * 16}
    assert _rows(folder_set) == {bytes([0]) * 16, bytes([40]) * 16}
    assert one(subfolder="train").held_out() is None


@pytest.mark.parametrize(("train", "test"), [(None, "test"), ("a", "a"), ("a", "a/b"), ("a/b", "a/")])
def test_what_is_trained_on_is_not_unseen(train: str | None, test: str) -> None:
    with pytest.raises(ValueError, match="test_subfolder must lie outside subfolder"):
        ImageFolder(root="x", subfolder=train, test_subfolder=test)
