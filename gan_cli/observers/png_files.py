"""samples/*.png: the pictures as files."""

from __future__ import annotations

import re
from contextlib import suppress

from gan_cli.files import sweep, write_atomic
from gan_cli.observers.base import Run
from gan_cli.observers.recorder import Picture, Scalars, Sink

FOLDER = "samples"
_NUMBERED = re.compile(r".+_(\d{6,})\.png")


class PngFiles(Sink):
    """Writes `samples/<name>_<step>.png`, or `<name>.png` without a step; samples as `step_<step>.png`."""

    def open(self, run: Run) -> Scalars:
        self._folder = run.folder / FOLDER
        sweep(self._folder)
        for path in self._folder.glob("*.png"):
            match = _NUMBERED.fullmatch(path.name)
            if match and int(match[1]) > run.start_step:
                with suppress(FileNotFoundError):
                    path.unlink()
        return {}

    def picture(self, name: str, step: int | None, picture: Picture) -> None:
        stem = "step" if name == "samples" else name
        file = f"{stem}.png" if step is None else f"{stem}_{step:06d}.png"
        write_atomic(self._folder / file, picture.png)
