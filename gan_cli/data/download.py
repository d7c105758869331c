"""Downloads that end soon when there is no network, and leave nothing behind when they break off."""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import shutil
import socket
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gan_cli.data.places import writable
from gan_cli.errors import InputError

log = logging.getLogger(__name__)

TIMEOUT = 10.0  # seconds without an answer or a byte
CHUNK = 1 << 18
# What torchvision unpacks. A user may have put these into root by hand.
ARCHIVES = (".zip", ".gz", ".tgz", ".tar", ".xz", ".bz2", ".mat", ".h5")


def one_line(error: BaseException) -> str:
    """What an error says, on one line and not too long."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:199] + "…"


def fetch(urls: list[str], path: Path, md5: str) -> None:
    """Put at `path` the file that the first of the mirrors `urls` to answer serves, whole or not at all.

    Raises InputError if none serves it, or what they serve has another md5.
    """
    reason = "no address is known"
    for url in urls:
        try:
            _fetch(url, path, md5)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = one_line(error)
        else:
            log.info("downloaded %s to %s", url, path)
            return
    raise InputError(reason)


def _fetch(url: str, path: Path, md5: str) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with part.open("wb") as file:
                while chunk := answer.read(CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
            if digest.hexdigest() != md5:
                raise ValueError(f"{url} served something else than the expected file")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def fetch_torchvision(cls: Any, root: Path, arguments: dict[str, Any]) -> None:
    """Let a torchvision class download and unpack itself, and bring the result into `root` once it is whole.

    Raises InputError if that fails.
    """
    if not writable(root):
        raise InputError("the folder cannot be written")
    existed = root.exists()
    root.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=".download-", dir=root))
    log.info("downloading %s into %s", cls.__name__, root)
    try:
        _link_archives(root, stage)
        with _impatient():
            cls(root=str(stage), download=True, **arguments)
        _merge(stage, root)
    except Exception as error:  # torchvision raises what its many sources raise
        raise InputError(one_line(error)) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        if not existed:
            with suppress(OSError):
                root.rmdir()


def _link_archives(root: Path, stage: Path) -> None:
    """Show the archives that lie in `root` already, so that they are unpacked instead of downloaded."""
    for pattern in ("*", "*/*"):
        for path in root.glob(pattern):
            if path.suffix in ARCHIVES and path.is_file() and stage not in path.parents:
                link = stage / path.relative_to(root)
                link.parent.mkdir(exist_ok=True)
                link.symlink_to(path)


def _merge(stage: Path, root: Path) -> None:
    for path in stage.iterdir():
        target = root / path.name
        if path.is_symlink():
            continue
        if path.is_dir() and target.is_dir():
            _merge(path, target)
        else:
            path.replace(target)


@contextmanager
def _impatient() -> Iterator[None]:
    """Let every socket that sets no timeout give up after TIMEOUT."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
