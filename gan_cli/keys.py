"""One key of a config: what it means, its type and its range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gan_cli.errors import InputError
from gan_cli.values import describe, fit


@dataclass(frozen=True)
class Key:
    """One key: its meaning in a line, its type, its range, and whether it may change on resume."""

    meaning: str
    type: Any
    least: int | None = None
    resumable: bool = False
    most: int = 2**31 - 1

    def fit(self, name: str, value: Any) -> Any:
        """The value in the key's type. Raises InputError naming key and value."""
        try:
            value = fit(value, self.type)
            if self.least is not None and value is not None and value < self.least:
                raise ValueError(f"must be at least {self.least}, got {value}")
            if isinstance(value, int) and value > self.most:
                raise ValueError(f"must be at most {self.most}, got {value}")
        except ValueError as error:
            raise InputError(f"{name} {error}") from None
        return value

    @property
    def kind(self) -> str:
        """Type and range in words."""
        return describe(self.type) + ("" if self.least is None else f" ≥ {self.least}")
