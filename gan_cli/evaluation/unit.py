"""The range of pixels that a metric's numbers are told in."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gan_cli.checks import require

Range = tuple[float, float]


def pixel_unit(
    given: Sequence[float] | None, own: Range | None, default: Range | None = None
) -> Range | None:
    """The range as given; else the default; else the data's `own`. None for points, which have none.

    Raises ValueError for what is no range, and for one that is given for points.

    >>> pixel_unit([0, 255], (-1.0, 1.0)), pixel_unit(None, (-1.0, 1.0)), pixel_unit(None, None, (0.0, 1.0))
    ((0.0, 255.0), (-1.0, 1.0), None)
    """
    if given is None:
        return default if own is not None and default is not None else own
    require(own is not None, "pixel_range", "null for points, which have none", list(given))
    bounds = [float(value) for value in given]
    sound = len(bounds) == 2 and all(map(math.isfinite, bounds)) and bounds[0] < bounds[1]
    require(sound, "pixel_range", "two numbers, low < high", list(given))
    return bounds[0], bounds[1]
