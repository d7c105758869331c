"""Samples as files: one npz of all, or a PNG each. Whole or not there, and never all in memory."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gan_cli.files import guarded

Array = NDArray[np.generic]
ARRAY = "arr_0"
"""The name under which evaluators of image generators look for samples in an npz."""
_BEGINNING = (1980, 1, 1, 0, 0, 0)  # of a zip's calendar: the same samples are the same bytes


def write_npz(path: Path, parts: Iterable[Array], shape: tuple[int, ...]) -> None:
    """The parts, one after the other, as the one array of that shape in an npz at `path`.

    Raises ValueError where they do not fill the shape, RunError where they cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with guarded(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with guarded(path.parent), zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as file:
            entry = zipfile.ZipInfo(f"{ARRAY}.npy", _BEGINNING)
            with file.open(entry, "w", force_zip64=True) as member:
                written = 0
                for array in parts:
                    if not written:
                        header = np.lib.format.header_data_from_array_1_0(array) | {"shape": shape}
                        np.lib.format.write_array_header_1_0(member, header)
                    member.write(np.ascontiguousarray(array).tobytes())
                    written += len(array)
        if written != shape[0]:
            raise ValueError(f"parts must be {shape[0]} samples, got {written}")
        with guarded(path.parent):
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_pngs(folder: Path, parts: Iterable[Array]) -> None:
    """Each image of the parts, uint8 [B, H, W, 1 or 3], as `folder/000000.png` and so on.

    They are moved there when all of them are written. Raises RunError where they cannot be.
    """
    work = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        number = 0
        with guarded(folder.parent):
            work.mkdir(parents=True)
        for images in parts:
            with guarded(folder.parent):
                for image in images:
                    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(
                        work / f"{number:06d}.png"
                    )
                    number += 1
        with guarded(folder.parent):
            folder.mkdir(exist_ok=True)
            for file in sorted(work.iterdir()):
                file.replace(folder / file.name)
    finally:
        shutil.rmtree(work, ignore_errors=True)
