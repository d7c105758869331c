"""Where files are looked for and where they may be written."""

from __future__ import annotations

import os
from pathlib import Path

ANY_WRITE_BIT = 0o222


def absolute(path: str) -> str:
    """`path` with ~ expanded, taken from the folder that the command was started in."""
    return str(Path(path).expanduser().absolute())


def user_cache() -> Path:
    """The user's own folder for what can be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "gan-train"


def writable(folder: Path) -> bool:
    """Whether files may be made in `folder`, or the folder itself where it does not exist yet.

    A folder whose mode forbids writing to everybody is left alone, even by a superuser who could.
    """
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and bool(folder.stat().st_mode & ANY_WRITE_BIT) and os.access(folder, os.W_OK)
