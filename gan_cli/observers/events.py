"""TensorBoard event files as a sequence of records: read with checks, cut, and written in order.

A record is `length (8 bytes) · crc(length) (4) · data · crc(data) (4)`, data a serialised Event.
TensorBoard's own writer hands records to a thread and starts a new file with each process. This one writes
in the calling thread to one file a run, so that a flush before a checkpoint means what it says, and cuts
the file when a run goes on from a checkpoint, so that no reader meets a step twice.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from gan_cli.files import Appender, guarded, sync_folder, write_atomic
from gan_cli.observers.crc import masked_crc32c

PATTERN = "events.out.tfevents.*"
_HEADER = struct.Struct("<QI")
_CRC = struct.Struct("<I")


def encode(event: Any) -> bytes:
    """One event as a record."""
    data: bytes = event.SerializeToString()
    length = struct.pack("<Q", len(data))
    return length + _CRC.pack(masked_crc32c(length)) + data + _CRC.pack(masked_crc32c(data))


def decode(raw: bytes) -> Iterator[tuple[Any, bytes]]:
    """The whole events of a file's bytes and their records. One with wrong data is passed over, a torn one
    ends the file."""
    at = 0
    while at + _HEADER.size <= len(raw):
        length, check = _HEADER.unpack_from(raw, at)
        start, at = at, at + _HEADER.size + length + _CRC.size
        if check != masked_crc32c(raw[start : start + 8]) or at > len(raw):
            return
        data = raw[start + _HEADER.size : at - _CRC.size]
        if _CRC.unpack_from(raw, at - _CRC.size)[0] == masked_crc32c(data):
            yield Event.FromString(data), raw[start:at]


class EventFile:
    """The one event file of a run: what earlier processes wrote up to `last_step` and `keep` says, then more.

    `tags` are those that it holds already; of `replaced`, tags with their steps, nothing is kept. A fresh
    folder gets a fresh file.
    """

    def __init__(
        self,
        folder: Path,
        last_step: int,
        keep: Callable[[str], bool] = lambda tag: True,
        replaced: Iterable[tuple[str, int]] = (),
    ) -> None:
        old = sorted(folder.glob(PATTERN))
        with guarded(folder):
            records = b"".join(self._kept(old, last_step, keep, set(replaced)))
        self.tags = {value.tag for event, _ in decode(records) for value in event.summary.value}
        self.path = folder / f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}.{os.getpid()}"
        with guarded(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if old:  # A TensorBoard that is watching follows a new name; each moment shows one file.
                old[-1].rename(self.path)
            version = Event(wall_time=time.time(), file_version="brain.Event:2")
            write_atomic(self.path, encode(version) + records)
            for path in old[:-1]:
                with suppress(FileNotFoundError):
                    path.unlink()
            sync_folder(folder)
        self._file = Appender(self.path)

    def _kept(
        self, old: list[Path], last_step: int, keep: Callable[[str], bool], seen: set[tuple[str, int]]
    ) -> Iterator[bytes]:
        for path in old:
            for event, record in decode(path.read_bytes()):
                values = [v for v in event.summary.value if keep(v.tag) and (v.tag, event.step) not in seen]
                if not values or event.step > last_step:
                    continue
                seen.update((v.tag, event.step) for v in values)
                if len(values) < len(event.summary.value):
                    event = Event(wall_time=event.wall_time, step=event.step, summary=Summary(value=values))
                    record = encode(event)
                yield record

    def add(self, step: int, summary: Any) -> None:
        """Append one summary. Raises RunError if the disk is full."""
        self.tags.update(value.tag for value in summary.value)
        self._file.write(encode(Event(wall_time=time.time(), step=step, summary=summary)))

    def once(self, summary: Any) -> None:
        """Append a summary that belongs to no step, unless the file holds its tag already."""
        if not all(value.tag in self.tags for value in summary.value):
            self.add(0, summary)

    def sync(self) -> None:
        """Bring what was added to the disk."""
        self._file.sync()

    def close(self) -> None:
        """Close; harmless where it is closed already."""
        self._file.close()
