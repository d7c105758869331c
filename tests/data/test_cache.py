"""The cache of decoded images: whole or not there, whoever is killed, however many ask."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from gan_cli.data import cache, decoded
from gan_cli.data.cache import cached, finish_table, is_whole, read_table, write_table
from gan_cli.data.image_folder import ImageFolder
from gan_cli.errors import InputError, RunError

Files = dict[str, bytes]
Pack = Callable[[str, Files], Path]

# Decodes the folder argv[1] at argv[2] seconds an image.
SCRIPT = """
import sys, time
from gan_cli.data import decoded
from gan_cli.data.image_folder import ImageFolder
fast = decoded.to_pixels
def slow(*args):
    time.sleep(float(sys.argv[2]))
    return fast(*args)
decoded.to_pixels, decoded.CHUNK = slow, 1
ImageFolder(root=sys.argv[1], size=64).load()
"""


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def test_a_killed_decoder_leaves_nothing_that_counts(images: Files, pack: Pack) -> None:
    """A process is killed half-way while another waits for it, which then does the work."""
    name, data = next((n, d) for n, d in images.items() if n.endswith(".png") and d)
    root = pack("x", {f"{k}/{name}": data for k in range(200)})
    home = root.parent / decoded.BESIDE
    slow = subprocess.Popen([sys.executable, "-c", SCRIPT, str(root), "0.2"], cwd=Path(__file__).parents[2])

    def started() -> bool:
        return any(path.stat().st_size > 3 * 64 * 64 for path in home.glob(f".*.part/{cache.IMAGES}"))

    with ThreadPoolExecutor(1) as pool:
        wait_for(started)
        waiting = pool.submit(ImageFolder(root=str(root), size=64).load)
        time.sleep(0.1)
        assert not waiting.done(), "it waits for the process that is at work"
        slow.send_signal(signal.SIGKILL)
        slow.wait()
        found = waiting.result(timeout=60)
    assert [path.name[0] for path in home.iterdir()] == ["x"], "one cache, no leftovers"
    alone = ImageFolder(root=str(root), size=64, cache=str(root.parent / "other")).load()
    assert np.array_equal(alone.images, found.images)


def test_leftovers_of_a_killed_process_are_thrown_away(tmp_path: Path) -> None:
    part = tmp_path / ".x.part"
    part.mkdir()
    (part / cache.IMAGES).write_bytes(b"half")
    (part / cache.LABELS).write_bytes(b"stale")
    table = read_table(cached([tmp_path], "x", build(3)))
    assert len(table) == 3
    assert table.labels is None
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == [cache.IMAGES, cache.META]


def build(rows: int, called: list[int] | None = None) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        if called is not None:
            called.append(rows)
            time.sleep(0.1)
        write_table(folder, (1, 2, 2), (np.full((1, 2, 2), k % 256, np.uint8) for k in range(rows)))
        finish_table(folder, None, (), "a test")

    return fill


def test_many_at_once_build_it_once(tmp_path: Path) -> None:
    called: list[int] = []
    barrier = Barrier(6)

    def ask(_: int) -> Path:
        barrier.wait()
        return cached([tmp_path], "x", build(4, called))

    with ThreadPoolExecutor(6) as pool:
        found = set(pool.map(ask, range(6)))
    assert found == {tmp_path / "x"}
    assert called == [4]
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("rows", [0, 1, 12_345])
def test_rows_come_back_as_they_were_written(tmp_path: Path, rows: int) -> None:
    table = read_table(cached([tmp_path], "x", build(rows)))
    assert table.images.shape == (rows, 1, 2, 2)
    assert np.array_equal(np.asarray(table.images)[:, 0, 0, 0], np.arange(rows).astype(np.uint8))
    assert np.array_equal(np.load(tmp_path / "x" / cache.IMAGES), table.images)


@pytest.mark.parametrize("file", [cache.IMAGES, cache.META])
def test_a_damaged_cache_is_made_again(tmp_path: Path, file: str) -> None:
    folder = cached([tmp_path], "x", build(3))
    path = folder / file
    path.write_bytes(path.read_bytes()[:-1])
    assert not is_whole(folder)
    assert is_whole(cached([tmp_path], "x", build(3)))


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def fails(folder: Path) -> None:
        (folder / cache.IMAGES).write_bytes(b"half")
        raise InputError("a bad image")

    with pytest.raises(InputError, match="a bad image"):
        cached([tmp_path], "x", fails)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    def full(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match=rf"cannot write to {tmp_path}: the disk is full"):
        cached([tmp_path], "x", full)
