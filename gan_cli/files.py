"""Files that are either whole or not there: written under another name, then renamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gan_cli.errors import RunError

_PART = ".part"
_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def guarded(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses while writing below `folder` into a RunError of one line."""
    try:
        yield
    except OSError as error:
        reason = "the disk is full" if error.errno in _FULL else (error.strerror or str(error))
        raise RunError(f"cannot write to {folder}: {reason}") from error


def write_atomic(path: Path, data: bytes | str) -> None:
    """Put `data` at `path`, so that a reader, or a kill at any moment, finds the old file or the new one.

    The bytes reach the disk before the name does, and the name before this returns. Raises RunError where
    the disk is full or the folder cannot be written; the old file then stands and nothing else is left.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}{_PART}")
    raw = data.encode() if isinstance(data, str) else data
    with guarded(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in `folder` to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path) -> None:
    """Remove what killed writers left in `folder` under temporary names."""
    for part in folder.glob(f".*{_PART}"):
        with suppress(OSError):
            part.unlink()


class Appender:
    """A file that grows at its end, unbuffered: what `write` has returned from outlives this process.

    Raises RunError where the disk is full; the end of the file may then be torn, and its reader cuts it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with guarded(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)

    def write(self, data: bytes) -> None:
        """Append all of `data`."""
        with guarded(self.path.parent):
            while data:  # an unbuffered write may take a part only
                data = data[self._file.write(data) :]

    def sync(self) -> None:
        """Bring what was written to the disk, past a power failure."""
        with guarded(self.path.parent):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close; harmless where it is closed already."""
        self._file.close()
