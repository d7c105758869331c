"""Decoded images on disk: made once, whole or not at all, by one process even where several ask for them."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from gan_cli.data.base import Table
from gan_cli.data.pixels import Pixels
from gan_cli.data.places import writable
from gan_cli.errors import InputError
from gan_cli.files import guarded, sync_folder

IMAGES, LABELS, META = "images.npy", "labels.npy", "meta.json"
_LOCK = "lock"


def cached(folders: Sequence[Path], name: str, build: Callable[[Path], None]) -> Path:
    """The folder `name` in the first of `folders` that has it; else `build` fills one, the first writable.

    What is being built lies under a temporary name and is renamed once it is whole; who asks for the same
    meanwhile waits for it. What a killed builder left is thrown away by the next. Raises InputError where no
    folder can be written, RunError where the disk is full.
    """
    for folder in folders:
        if is_whole(folder / name):
            return folder / name
    home = next((folder for folder in folders if writable(folder)), None)
    if home is None:
        tried = " or ".join(map(str, folders))
        raise InputError(f"cannot write the decoded images to {tried}: set data.cache=<folder>")
    with guarded(home), _claimed(home / f".{name}.part") as part:
        if not is_whole(home / name):
            build(part)
            if (home / name).exists():
                shutil.rmtree(home / name)
            part.rename(home / name)
            (home / name / _LOCK).unlink()
            sync_folder(home)
    return home / name


@contextmanager
def _claimed(part: Path) -> Iterator[Path]:
    """Hold the folder `part`, empty, against other processes; afterwards it is gone under this name."""
    lock = _lock(part)
    try:
        for path in part.iterdir():
            if path.name != _LOCK:
                path.unlink()
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
        os.close(lock)  # which unlocks it


def _lock(part: Path) -> int:
    while True:
        with suppress(FileExistsError):  # it was there, and is renamed by now
            part.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            handle = os.open(part / _LOCK, os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                # Whoever held it may have renamed or removed the folder, and the lock with it.
                if os.fstat(handle).st_ino == (part / _LOCK).stat().st_ino:
                    return handle
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)


def is_whole(folder: Path) -> bool:
    """Whether `folder` holds a finished table with all its bytes."""
    try:
        meta = json.loads((folder / META).read_text())
        return bool((folder / IMAGES).stat().st_size == meta["bytes"])
    except (OSError, ValueError, KeyError):
        return False


def write_table(folder: Path, shape: tuple[int, ...], rows: Iterable[Pixels]) -> int:
    """Append the rows, each uint8 of `shape`, to an .npy file in `folder`, and return how many there were."""
    count = 0
    with (folder / IMAGES).open("wb") as file:
        start = _header(file, (0, *shape))
        for row in rows:
            file.write(row.tobytes())
            count += 1
        file.seek(0)
        if _header(file, (count, *shape)) != start:
            raise AssertionError("the header of an .npy file leaves room for any number of rows")
        file.flush()
        os.fsync(file.fileno())
    return count


def _header(file: Any, shape: tuple[int, ...]) -> int:
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return int(file.tell())


def finish_table(folder: Path, labels: Sequence[int] | None, class_names: Sequence[str], about: Any) -> None:
    """Add the labels and, last, the description without which the table does not count as whole."""
    if labels is not None:
        np.save(folder / LABELS, np.asarray(labels, dtype=np.int64))
    meta = {"bytes": (folder / IMAGES).stat().st_size, "class_names": list(class_names), "about": about}
    (folder / META).write_text(json.dumps(meta, indent=1))


def read_table(folder: Path) -> Table:
    """The table in `folder`, its images mapped into memory rather than read."""
    meta = json.loads((folder / META).read_text())
    # Copy on write: nothing writes, but torch warns of arrays that it must not write to.
    images = np.load(folder / IMAGES, mmap_mode="c")
    labels = np.load(folder / LABELS) if (folder / LABELS).exists() else None
    return Table(images, labels, tuple(meta["class_names"]))
