"""The classifier of a data set's labels: how well it does, where it is kept, and what it says of itself."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gan_cli.data.base import Table
from gan_cli.data.digits import Digits
from gan_cli.data.mnist import MNIST
from gan_cli.evaluation import classifier
from gan_cli.evaluation.classifier import Classifier, Trained
from gan_cli.evaluation.classifier_training import HIDDEN, Labelled, Net, accuracy, fit, parts
from tests.evaluation.given import Given

SMALL = Digits(split="train", size=8)


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training is an error: what is used was there."""

    def refuse(*_: object) -> Net:
        raise AssertionError("it is trained again")

    monkeypatch.setattr(classifier, "fit", refuse)


def same(a: Trained, b: Trained) -> bool:
    left, right = a.net.state_dict(), b.net.state_dict()
    return a[1:] == b[1:] and all(torch.equal(left[name], right[name]) for name in left)


def test_it_reads_digits_of_writers_that_it_has_not_seen() -> None:
    trained = Classifier(Digits(split="train", size=16)).trained
    assert trained.tested == 360
    assert trained.accuracy >= 0.97


def test_mnist_is_read_to_99_per_cent(gan_data: Path, tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in (gan_data / "MNIST" / "raw").glob("*.gz"):
        (raw / file.name).symlink_to(file)
    found = Classifier(MNIST(root=str(tmp_path)))
    assert found.trained.tested == 10_000
    assert found.trained.accuracy >= 0.99
    assert [path.parent for path in tmp_path.rglob("classifier-MNIST-1x28x28-*")] == [
        tmp_path / "MNIST" / ".gan-train-cache"
    ]
    assert f"{found.trained.accuracy:.2%} of 10000 test images right" in found.about


def test_accuracy_is_the_share_of_right_answers() -> None:
    net = fit(parts(SMALL), 30)
    table = SMALL.load()
    assert table.labels is not None
    images, labels = torch.as_tensor(table.images), torch.as_tensor(table.labels)
    guesses = [int(net(image[None] / 255).argmax()) for image in images]
    assert accuracy(net, Labelled(images, labels)) == np.mean(np.array(guesses) == table.labels)


def test_training_is_a_function_of_the_seed_and_leaves_the_global_stream_alone() -> None:
    data = parts(SMALL)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    first, again, other = (fit(data, 5, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not torch.equal(first["scores.weight"], other["scores.weight"])


@pytest.mark.parametrize(("channels", "size"), [(1, 4), (3, 8), (1, 27), (3, 64)])
def test_it_reads_images_of_any_size(channels: int, size: int) -> None:
    net = Net(channels, size, 7)
    x = torch.rand(2, channels, size, size)
    assert net.features(x).shape == (2, HIDDEN)
    assert net(x).shape == (2, 7)


def test_it_is_kept_and_read_again(cache: Path, request: pytest.FixtureRequest) -> None:
    trained = Classifier(SMALL, steps=5).trained
    assert len(list(cache.iterdir())) == 1
    request.getfixturevalue("untrained")
    assert same(Classifier(SMALL, steps=5).trained, trained)
    assert same(Classifier(replace(SMALL, pixel_range=(0, 1), default_steps=3), steps=5).trained, trained)


@pytest.mark.parametrize("other", [{"steps": 6}, {"size": 12}, {"channels": 3}, {"split": "all"}])
def test_another_set_or_training_is_another_file(cache: Path, other: dict[str, Any]) -> None:
    Classifier(SMALL, steps=5).preflight()
    steps = other.get("steps", 5)
    options = {name: value for name, value in other.items() if name != "steps"}
    Classifier(replace(SMALL, **options), steps=steps).preflight()
    assert len(list(cache.iterdir())) == 2


def test_one_pixel_or_label_makes_another_file(cache: Path) -> None:
    x = np.zeros((40, 1, 8, 8), dtype=np.uint8)
    y = np.arange(40) % 2
    changed, told = x.copy(), y.copy()
    changed[7, 0, 3, 3], told[3] = 1, 0
    for images, labels in ((x, y), (changed, y), (x, told), (x, y)):
        Classifier(Given(size=8, channels=1, table=Table(images, labels)), steps=1).preflight()
    assert len(list(cache.iterdir())) == 3


def cut(raw: bytes) -> bytes:
    return raw[:-100]


def flipped(raw: bytes) -> bytes:
    middle = len(raw) // 2
    return raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :]


@pytest.mark.parametrize("damage", [cut, flipped, lambda raw: b"", lambda raw: raw[:10]])
def test_a_damaged_file_is_trained_anew(
    cache: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    trained = Classifier(SMALL, steps=5).trained
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert same(Classifier(SMALL, steps=5).trained, trained)
    assert "damaged" in caplog.text
    assert [path.read_bytes() for path in cache.iterdir()] == [whole]


SCRIPT = """
import sys
from gan_cli.data.digits import Digits
from gan_cli.evaluation import classifier
fit = classifier.fit
def counted(*args):
    open(sys.argv[1], "a").write("trained\\n")
    return fit(*args)
classifier.fit = counted
print(classifier.Classifier(Digits(split="train", size=8), steps=150).trained.accuracy)
"""


def test_of_two_processes_one_trains_and_the_other_waits(tmp_path: Path, cache: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "log")]
    root = Path(__file__).parents[2]
    both = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (process.communicate()[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert first == second
    assert (tmp_path / "log").read_text() == "trained\n"
    assert len(list(cache.iterdir())) == 1


def test_without_a_folder_to_write_to_it_serves_this_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    monkeypatch.setenv("XDG_CACHE_HOME", str(closed))
    assert Classifier(SMALL, steps=5).trained.tested == 360
    assert "for this run alone" in caplog.text
    assert not list(closed.iterdir())


def test_the_folder_beside_the_data_comes_first(tmp_path: Path, idx_root: Path, cache: Path) -> None:
    Classifier(MNIST(root=str(idx_root)), steps=2).preflight()
    assert not cache.exists()
    moved = tmp_path / "elsewhere"
    shutil.copytree(idx_root, moved)
    beside = moved / "MNIST" / ".gan-train-cache"
    (file,) = beside.iterdir()
    file.unlink()
    beside.rmdir()
    (moved / "MNIST").chmod(0o555)
    Classifier(MNIST(root=str(moved)), steps=2).preflight()
    (moved / "MNIST").chmod(0o755)
    assert [path.name for path in cache.iterdir()] == [file.name], "the same images, wherever they lie"


def test_it_says_which_weights_it_has() -> None:
    """So that numbers of one classifier are told from those of another."""
    said = []
    for steps in (3, 4):
        found = Classifier(SMALL, steps=steps)
        assert "weights" not in found.about, "before there are any"
        found.preflight()
        digest = hashlib.sha256(
            b"".join(tensor.numpy().tobytes() for tensor in found.trained.net.state_dict().values())
        )
        assert f"labels, weights {digest.hexdigest()[:8]}, " in found.about
        again = Classifier(SMALL, steps=steps)
        again.preflight()
        assert again.about == found.about
        said.append(found.about)
    assert said[0] != said[1]
