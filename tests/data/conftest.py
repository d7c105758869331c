"""Small sets of files in the formats that data sets are read from."""

from __future__ import annotations

import gzip
import io
import socket
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Files = dict[str, bytes]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Decoded images never land in the home of who runs the tests."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "gan-train"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name can be looked up, so that no test waits for the network, or uses it."""

    def refuse(*_: object, **__: object) -> None:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def encoded(seed: int, suffix: str) -> bytes:
    """A random image, 12 wide and 9 high, as the bytes of a file."""
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, {".png": "PNG", ".jpg": "JPEG"}[suffix])
    return buffer.getvalue()


@pytest.fixture
def images() -> Files:
    """Seven images in two classes, deeply nested, beside what is no image; names in sorted order."""
    names = [f"set/{'ant' if k < 4 else 'bee'}/deep/{k}{'.png' if k % 2 else '.JPG'}" for k in range(7)]
    files = {name: encoded(k, Path(name).suffix.lower()) for k, name in enumerate(names)}
    return {"set/.hidden.png": b"", "set/README.txt": b"words", **files}


def _as_folder(path: Path, files: Files) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def _as_tar(path: Path, files: Files) -> Path:
    modes: Any = {".tar": "w", ".gz": "w:gz", ".xz": "w:xz", ".bz2": "w:bz2"}
    with tarfile.open(path, modes[path.suffix]) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def _as_zip(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def pack(tmp_path: Path) -> Callable[[str, Files], Path]:
    """pack("x.tar.gz", files) writes the files in the form that the name's suffix calls for."""

    def write(name: str, files: Files) -> Path:
        path = tmp_path / "packed" / name
        path.parent.mkdir(exist_ok=True)
        if not path.suffix:
            return _as_folder(path, files)
        return _as_zip(path, files) if path.suffix == ".zip" else _as_tar(path, files)

    return write


def idx(values: NDArray[np.uint8]) -> bytes:
    """The values as an idx file."""
    head = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.tobytes()


@pytest.fixture
def idx_root(tmp_path: Path) -> Path:
    """A root that holds a tiny MNIST, FashionMNIST and KMNIST as .gz files: 60 and 20 images."""
    root = tmp_path / "idx"
    random = np.random.default_rng(0)
    for name in ("MNIST", "FashionMNIST", "KMNIST"):
        folder = root / name / "raw"
        folder.mkdir(parents=True)
        for prefix, count in (("train", 60), ("t10k", 20)):
            pixels = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
            labels = random.integers(0, 10, count, dtype=np.uint8)
            (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pixels), 1))
            (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels), 1))
    return root
