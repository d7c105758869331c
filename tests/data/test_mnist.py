"""idx files: read in place from a read-only folder, checked, and downloaded whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets

from gan_cli.data.base import Table
from gan_cli.data.mnist import KMNIST, MNIST, FashionMNIST, read_idx
from gan_cli.errors import InputError

IMAGES = "MNIST/raw/train-images-idx3-ubyte"


def test_splits_are_read_from_a_read_only_folder(idx_root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in idx_root.rglob("*")}
    for folder in (*idx_root.rglob("raw"), idx_root):
        folder.chmod(0o555)
    counts = {split: len(MNIST(root=str(idx_root), split=split).load()) for split in ("train", "test", "all")}
    assert counts == {"train": 60, "test": 20, "all": 80}
    for folder in (*idx_root.rglob("raw"), idx_root):
        folder.chmod(0o755)
    assert {path: path.stat().st_mtime_ns for path in idx_root.rglob("*")} == before


def test_unpacked_files_are_read_too(idx_root: Path) -> None:
    packed = MNIST(root=str(idx_root)).load()
    for path in list(idx_root.rglob("*.gz")):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    unpacked = MNIST(root=str(idx_root)).load()
    assert np.array_equal(packed.images, unpacked.images)
    assert packed.labels is not None
    assert unpacked.labels is not None
    assert np.array_equal(packed.labels, unpacked.labels)


@pytest.mark.parametrize("cls", [MNIST, FashionMNIST, KMNIST])
def test_it_agrees_with_torchvision(cls: type[MNIST], idx_root: Path) -> None:
    ours = cls(root=str(idx_root), split="test").load()
    for path in list(idx_root.rglob("*.gz")):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    theirs = getattr(torchvision.datasets, cls.__name__)(str(idx_root), train=False)
    assert np.array_equal(np.asarray(ours.images)[:, 0], theirs.data.numpy())
    assert ours.labels is not None
    assert np.array_equal(ours.labels, theirs.targets.numpy())
    assert len(ours.class_names) == 10


def test_the_real_mnist_is_read(gan_data: Path) -> None:
    dataset = MNIST(root=str(gan_data))
    dataset.preflight()
    data = dataset.load()
    assert isinstance(data, Table)
    assert data.images.shape == (60000, *dataset.shape)
    assert data.labels is not None
    assert np.bincount(data.labels).tolist()[:3] == [5923, 6742, 5958]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda raw: gzip.compress(raw)[:-20], "ended before the end-of-stream"),
        (lambda raw: gzip.compress(raw[:-1]), "should hold"),
        (lambda raw: gzip.compress(raw[:6]), "does not begin"),
        (lambda raw: gzip.compress(b"\0\0\x0d" + raw[3:]), "does not begin"),
        (lambda raw: b"<html>404</html>", "Not a gzipped file"),
        (lambda raw: b"", "does not begin"),
    ],
)
def test_a_damaged_file_is_named(damage: object, reason: str, idx_root: Path) -> None:
    path = idx_root / f"{IMAGES}.gz"
    assert callable(damage)
    path.write_bytes(damage(gzip.decompress(path.read_bytes())))
    with pytest.raises(InputError, match=reason) as raised:
        MNIST(root=str(idx_root)).load()
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_images_and_labels_must_be_as_many(idx_root: Path) -> None:
    labels, other = (idx_root / f"MNIST/raw/{split}-labels-idx1-ubyte.gz" for split in ("train", "t10k"))
    labels.write_bytes(other.read_bytes())
    with pytest.raises(InputError, match="60 train-images-idx3-ubyte but 20 train-labels"):
        MNIST(root=str(idx_root)).load()


def test_missing_files_without_network_are_one_line(tmp_path: Path, no_network: None) -> None:
    root = tmp_path / "nowhere"
    with pytest.raises(InputError, match=r"download failed.*name resolution") as raised:
        MNIST(root=str(root)).preflight()
    message = str(raised.value)
    assert f"expected {root}/{IMAGES}.gz (data.root={root})" in message
    assert "\n" not in message
    assert not root.exists(), "nothing is left behind"
    with pytest.raises(InputError, match=r"data\.download=false"):
        MNIST(root=str(root), download=False).preflight()


def test_a_folder_that_forbids_writing_gets_no_download(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(InputError, match="cannot be written to"):
        MNIST(root=str(tmp_path)).preflight()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def served(idx_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """A mirror of the tiny MNIST on this machine; the dictionary holds what it serves under each name."""
    raw = idx_root / "MNIST" / "raw"
    files = {path.name: path.read_bytes() for path in raw.iterdir()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = files.get(self.path.strip("/"))
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    checksums = [(name, hashlib.md5(body).hexdigest()) for name, body in files.items()]
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", checksums)
    here = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [f"{here}no/such/mirror/", here])
    yield files
    server.shutdown()
    server.server_close()


def test_a_download_brings_the_missing_files(
    served: dict[str, bytes], tmp_path: Path, idx_root: Path
) -> None:
    root = tmp_path / "new"
    dataset = MNIST(root=str(root))
    dataset.preflight()
    names = sorted(path.name for path in (root / "MNIST" / "raw").iterdir())
    assert names == ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]
    assert np.array_equal(dataset.load().images, MNIST(root=str(idx_root)).load().images)


def test_a_download_of_something_else_leaves_nothing(served: dict[str, bytes], tmp_path: Path) -> None:
    served["train-labels-idx1-ubyte.gz"] = served["train-labels-idx1-ubyte.gz"][:-5]
    dataset = MNIST(root=str(tmp_path / "new"))
    with pytest.raises(InputError, match="something else than the expected file"):
        dataset.preflight()
    left = [path.name for path in (tmp_path / "new").rglob("*") if path.is_file()]
    assert left == ["train-images-idx3-ubyte.gz"]


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match="split must be one of train, test, all, got 'valid'"):
        MNIST(split="valid")  # type: ignore[arg-type]


def test_idx_of_other_dimensions_is_refused(tmp_path: Path, idx_root: Path) -> None:
    with pytest.raises(InputError, match="idx file of 2 dimensions"):
        read_idx(idx_root / f"{IMAGES}.gz", 2)
