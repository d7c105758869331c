"""Any folder or archive of images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gan_cli.data.archives import open_source
from gan_cli.data.decoded import DecodedSet, labels_from_folders
from gan_cli.data.sources import Folder, Source


@dataclass(frozen=True, kw_only=True)
class ImageFolder(DecodedSet):
    """The images below the folder `root`, however deep, or in the archive `root` (.tar.xz, .zip, …).

    subfolder: only images below this folder of it; test_subfolder: those that training does not see. Labels
    are the first folder level on which images differ. Raises ValueError where one of the two folders holds
    the other.
    """

    subfolder: str | None = None
    test_subfolder: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.test_subfolder:
            train, test = (f"{(name or '').strip('/')}/" for name in (self.subfolder, self.test_subfolder))
            if train.startswith(test) or test.startswith(train.lstrip("/")):
                raise ValueError(
                    f"test_subfolder must lie outside subfolder={self.subfolder}, got {self.test_subfolder}"
                )

    def held_out(self) -> ImageFolder | None:
        if not self.test_subfolder:
            return None
        return replace(self, subfolder=self.test_subfolder, test_subfolder=None)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The folders that are the labels: of a folder by its files' names, an archive is decoded for them.

        Raises InputError where it is not there.
        """
        source = self.source()
        if not isinstance(source, Folder):
            return self.load().class_names
        names = [item.name for item in source.items()]
        return tuple(labels_from_folders(names)[1]) if names else ()

    def title(self) -> str:
        below = f" below data.subfolder={self.subfolder}" if self.subfolder else ""
        return f"data.root={self.root}{below}"

    def stem(self) -> str:
        return Path(self.root).name.split(".")[0]

    def home(self) -> Path:
        return Path(self.root).parent

    def source(self) -> Source:
        return open_source(Path(self.root), self._wanted)

    def _options(self) -> Any:
        return self.subfolder

    def _wanted(self, name: str) -> bool:
        return not self.subfolder or name.startswith(self.subfolder.strip("/") + "/")
