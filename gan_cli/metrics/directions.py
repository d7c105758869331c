"""Which way a number is better. No torch: what only reads finished runs needs it, too."""

from __future__ import annotations

from typing import Literal

Direction = Literal["higher", "lower"]

BETTER: dict[str, Direction] = {
    "modes_covered": "higher",
    "high_quality": "higher",
    "reverse_kl": "lower",
    "effective_modes": "higher",
}
"""Of the numbers that a run measures without being asked; each metric says it of its own."""
