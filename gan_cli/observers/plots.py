"""Plots of real and generated points with what the critic says of them, as PNG."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gan_cli.observers.raster import LINE, Array, Box, Page
from gan_cli.observers.recorder import Picture

REAL, FAKE, CRITIC = "#1b1b1b", "#e8590c", "#1864ab"
LIMIT = 5.0
"""Where the colours of ln p/q end: a factor of 150 is as good as certain."""
_SIZE = (704, 594)


@dataclass(frozen=True)
class Frame:
    """The part of the plane that a run's plots show, the same in all of them: low and high of each axis."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    @staticmethod
    def around(real: Tensor) -> Frame:
        """What holds the real points [N, D] with a margin; in two dimensions a square."""
        x = real[:, :2].double().cpu()
        low, high = x.min(0).values, x.max(0).values
        half = (high - low) / 2 * 1.3 + 1e-3
        if x.shape[1] == 2:
            half = half.max().expand(2)
        middle = (low + high) / 2
        return Frame(tuple((middle - half).tolist()), tuple((middle + half).tolist()))

    def outside(self, x: Array) -> float:
        """The share of points [N, D] that the frame does not show."""
        inside = (x >= np.array(self.low)) & (x <= np.array(self.high))
        return float(1 - inside.all(1).mean())

    def mesh(self, side: int) -> Tensor:
        """Evenly spaced points: [side, 1] on the line, [side², 2] in the plane, rows of equal y."""
        axes = [torch.linspace(a, b, side) for a, b in zip(self.low, self.high, strict=True)]
        grid = torch.meshgrid(*axes, indexing="xy")
        return torch.stack([g.flatten() for g in grid], dim=1)


@dataclass(frozen=True)
class Field:
    """The critic on `Frame.mesh`: values [side^D], and whether they stand for ln p/q or are raw scores."""

    values: Array
    is_log_ratio: bool

    @property
    def label(self) -> str:
        """What the values are."""
        return "ln p/q by the critic" if self.is_log_ratio else "the critic's score"

    @property
    def limits(self) -> tuple[float, float]:
        """Where the colours end: even about 0 for ln p/q, the middle 96 % of raw scores."""
        finite = self.values[np.isfinite(self.values)]
        if self.is_log_ratio or not finite.size:
            return -LIMIT, LIMIT
        low, high = np.percentile(finite, [2, 98])
        return float(low), float(max(high, low + 1e-6))


def scatter(real: Tensor, fake: Tensor, field: Field | None, frame: Frame, title: str) -> Picture:
    """Real and generated points [N, D ≥ 2] in their first two coordinates, over the critic's field."""
    page = Page(*_SIZE)
    box = Box(50, 44, 520, 520, (frame.low[0], frame.high[0]), (frame.low[1], frame.high[1]))
    if field is not None:
        side = round(len(field.values) ** 0.5)
        page.field(box, field.values.reshape(side, side), field.limits)
        bar = Box(596, 84, 18, 440, (0, 1), field.limits)
        page.field(bar, np.linspace(*field.limits, 256)[:, None], field.limits)
        page.frame(bar, x_ticks=False, right=True)
        page.text(678, 304, field.label, "v", 12)
    names = []
    for points, colour, name, radius in ((real, REAL, "real", 2.3), (fake, FAKE, "generated", 1.7)):
        x = points[:, :2].float().cpu().numpy()
        page.points(box, x, colour, radius)
        names.append((colour, _name(name, frame.outside(x))))
    page.frame(box)
    _head(page, box, title, names)
    return page.png()


def densities(
    real: Tensor, fake: Tensor, density: Array | None, field: Field | None, frame: Frame, title: str
) -> Picture:
    """Histograms of real and generated numbers [N, 1], the true density if known, and any field below."""
    page, x = Page(*_SIZE), (frame.low[0], frame.high[0])
    bins = np.linspace(*x, 81)
    samples = [(values.float().cpu().numpy(), name) for values, name in ((real, "real"), (fake, "generated"))]
    heights = [np.histogram(values, bins)[0] / (len(values) * np.diff(bins)) for values, _ in samples]
    # A collapsed generator's spike is cut: the real density has to stay readable.
    top = Box(60, 44, 620, 520 if field is None else 340, x, (0.0, 1.5 * float(heights[0].max() or 1)))
    names = []
    columns = np.linspace(*x, top.width)
    for (values, name), height, colour, alpha in zip(
        samples, heights, (REAL, FAKE), (0.2, 0.55), strict=True
    ):
        bars = height[np.clip(np.searchsorted(bins, columns, "right") - 1, 0, len(height) - 1)]
        page.fill(top, bars, colour, alpha)
        names.append((colour, _name(name, frame.outside(values))))
    if density is not None:
        page.curve(top, np.interp(columns, np.linspace(*x, len(density)), density), REAL)
        names.append((REAL, "true density"))
    page.frame(top, x_ticks=field is None)
    _head(page, top, title, names)
    page.text(8, top.top + top.height / 2, "density", "v", 12)
    if field is not None:
        _below(page, top, field)
    return page.png()


def _below(page: Page, top: Box, field: Field) -> None:
    """The critic on the line, under the densities."""
    low, high = field.limits
    if not field.is_log_ratio:
        low, high = low - (high - low) / 10, high + (high - low) / 10
    box = Box(top.left, top.top + top.height + 14, top.width, 166, top.x, (low, high))
    columns = np.linspace(*top.x, box.width)
    page.curve(box, np.zeros(box.width), LINE, 1.0)
    page.curve(box, np.interp(columns, np.linspace(*top.x, len(field.values)), field.values), CRITIC)
    page.frame(box)
    page.text(8, box.top + box.height / 2, field.label, "v", 12)


def _name(name: str, away: float) -> str:
    return name if away < 0.005 else f"{name} ({away:.0%} out of view)"


def _head(page: Page, box: Box, title: str, names: list[tuple[str, str]]) -> None:
    """Title and key above the plot, where they hide nothing."""
    page.text(box.left, box.top - 14, title, "lm", 13)
    page.key(box.left + box.width, box.top - 14, names)
