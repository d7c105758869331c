"""Images in tar and zip archives, read from front to end without unpacking them to disk."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from PIL import Image

from gan_cli.data.download import one_line
from gan_cli.data.sources import Folder, Item, Wanted, is_image
from gan_cli.errors import InputError

_PACKED: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": lambda raw: gzip.GzipFile(fileobj=raw),
    b"\xfd7zXZ": lzma.LZMAFile,
    b"BZh": bz2.BZ2File,
}
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError, RuntimeError)


@dataclass(frozen=True)
class Archive(ABC):
    """All wanted images in an archive, in its own order."""

    path: Path
    wanted: Wanted

    def items(self) -> Generator[Item, None, None]:
        with readable(self.path):
            yield from self._items()

    def first(self) -> Item | None:
        with closing(self.items()) as items:
            return next(items, None)

    def total(self) -> int:
        return self.path.stat().st_size

    def fingerprint(self) -> Any:
        stat = self.path.stat()
        return [str(self.path), stat.st_size, stat.st_mtime_ns]

    @abstractmethod
    def _items(self) -> Iterator[Item]:
        """The wanted images; what is damaged raises whatever its reader raises."""

    def _item(self, name: str, data: bytes, position: int) -> Item:
        return Item(name, lambda: (Image.open(io.BytesIO(data)), None), position)

    def _keeps(self, name: str) -> bool:
        return is_image(name) and self.wanted(name)


@dataclass(frozen=True)
class Tar(Archive):
    """A tar archive, packed by gzip, xz or bzip2 or not at all, read once from front to end."""

    def _items(self) -> Iterator[Item]:
        with self.path.open("rb") as raw:
            head = raw.read(6)
            raw.seek(0)
            # tarfile's own unpacking takes a stream that was cut short for a complete one.
            unpack = next((f for magic, f in _PACKED.items() if head.startswith(magic)), None)
            stream = _Tail(unpack(raw) if unpack else raw)
            with tarfile.open(fileobj=cast("BinaryIO", stream), mode="r|") as tar:
                for member in tar:
                    cast("Any", tar).members = []  # which would otherwise grow by one a file
                    name = member.name.removeprefix("./")
                    if member.isfile() and self._keeps(name):
                        file = tar.extractfile(member)
                        yield self._item(name, file.read() if file else b"", raw.tell())
            stream.drain()
            if any(stream.tail):
                raise tarfile.ReadError("it ends too early")


class _Tail:
    """A stream that remembers its last bytes: a whole tar archive ends in zeros."""

    def __init__(self, stream: Any):
        self.stream = stream
        self.tail = b"?"

    def read(self, n: int) -> bytes:
        data: bytes = self.stream.read(n)
        self.tail = (self.tail + data)[-tarfile.BLOCKSIZE :]
        return data

    def drain(self) -> None:
        """Read to the end, where checksums are."""
        while self.read(1 << 20):
            pass


@dataclass(frozen=True)
class Zip(Archive):
    """A zip archive."""

    def _items(self) -> Iterator[Item]:
        with zipfile.ZipFile(self.path) as archive:
            for info in archive.infolist():
                if not info.is_dir() and self._keeps(info.filename):
                    yield self._item(info.filename, archive.read(info), info.header_offset)


def open_source(path: Path, wanted: Wanted) -> Folder | Archive:
    """The images in the folder or archive at `path`. Raises InputError if it is neither."""
    if path.is_dir():
        return Folder(path, wanted)
    if not path.exists():
        raise InputError(
            f"data.root={path} does not exist: expected a folder of images or an archive of them"
        )
    with readable(path):
        return Zip(path, wanted) if zipfile.is_zipfile(path) else Tar(path, wanted)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what a damaged archive raises into an InputError of one line."""
    try:
        yield
    except _DAMAGE as error:
        raise InputError(f"data.root={path} cannot be read as an archive: {one_line(error)}") from error
