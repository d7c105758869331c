"""What a classifier is trained and tested on: which labels, of which classes, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gan_cli.data.base import Table
from gan_cli.data.digits import Digits
from gan_cli.data.fake import Fake
from gan_cli.data.gaussian import Gaussian
from gan_cli.data.image_folder import ImageFolder
from gan_cli.errors import InputError
from gan_cli.evaluation.classifier import Classifier
from gan_cli.evaluation.classifier_training import parts
from tests.evaluation.given import Given, Split, by_folders

SMALL = Digits(split="train", size=8)


def test_a_label_of_a_held_out_image_is_the_class_of_that_name() -> None:
    data = parts(Split(size=8, channels=1, table=by_folders("a", "b", "c"), unseen=by_folders("b", "c")))
    grey = {int(x[0, 0, 0]): int(y) for x, y in zip(data.train.images, data.train.labels, strict=True)}
    assert [grey[int(x[0, 0, 0])] for x in data.test.images] == data.test.labels.tolist()
    assert data.classes == 3
    assert set(data.test.labels.tolist()) == {1, 2}
    two = by_folders("b", "c")
    more = replace(two, class_names=("b", "c", "z"))
    known = parts(Split(size=8, channels=1, table=by_folders("c", "b"), unseen=more))
    assert set(known.test.labels.tolist()) == {0, 1}, "a class without an image is in nobody's way"
    unnamed = replace(two, class_names=())
    known = parts(Split(size=8, channels=1, table=by_folders("a", "b"), unseen=unnamed))
    assert set(known.test.labels.tolist()) == {0, 1}, "what has no names goes by its numbers"


def test_held_out_images_of_a_class_of_their_own_are_refused_in_a_line() -> None:
    data = Split(size=8, channels=1, table=by_folders("a", "b"), unseen=by_folders("b", "d"))
    with pytest.raises(InputError, match=r"^Split: the test images have classes .* lack \(d\)[^\n]*$"):
        Classifier(data).preflight()


def test_folders_of_other_classes_do_not_shift_the_labels(tmp_path: Path) -> None:
    """A classifier is judged on what the images are, not on how many folders come before theirs."""
    for folder, names in (("train", "abc"), ("test", "bc")):
        for name in names:
            (tmp_path / folder / name).mkdir(parents=True)
            for k in range(5):
                grey = Image.new("L", (8, 8), 80 * "abc".index(name) + k)
                grey.save(tmp_path / folder / name / f"{k}.png")
    data = ImageFolder(root=str(tmp_path), subfolder="train", test_subfolder="test", size=8, channels=1)
    assert Classifier(data, steps=60).trained.accuracy == 1


def test_what_cannot_be_classified_is_refused_in_a_line() -> None:
    images = np.zeros((20, 1, 8, 8), dtype=np.uint8)
    with pytest.raises(InputError, match="Given has no labels for a classifier"):
        Classifier(Given(size=8, channels=1, table=Table(images))).preflight()
    with pytest.raises(InputError, match="has no labels"):
        Classifier(Given(size=8, channels=1, table=Table(images, np.full(20, -1)))).preflight()
    with pytest.raises(InputError, match="fewer than two classes"):
        Classifier(Given(size=8, channels=1, table=Table(images, np.zeros(20, np.int64)))).preflight()
    with pytest.raises(ValueError, match="data must be images for a classifier, got 'points'"):
        Classifier(Gaussian())
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        Classifier(SMALL, steps=0)


def test_examples_without_a_label_are_left_out() -> None:
    images, labels = np.zeros((20, 1, 8, 8), dtype=np.uint8), np.arange(20) % 3 - 1
    train, test, classes = parts(Given(size=8, channels=1, table=Table(images, labels)))
    assert classes == 2
    assert len(train.labels) + len(test.labels) == int((labels >= 0).sum())
    assert set(torch.cat([train.labels, test.labels]).tolist()) == {0, 1}


def test_without_held_out_examples_every_tenth_is_kept_back() -> None:
    whole, train, test = Digits(size=8).load(), *parts(Digits(size=8))[:2]
    assert (len(train.images), len(test.images)) == (len(whole) - len(whole) // 10, len(whole) // 10)
    assert torch.equal(test.images, torch.as_tensor(whole.images[9::10]))
    assert parts(Fake(count=10)).test.images.shape == (10, 1, 16, 16), "this one has others"
