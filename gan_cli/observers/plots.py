"""Plots of real and generated points with what the critic says of them, as PNG."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from gan_cli.observers import style
from gan_cli.observers.recorder import Picture
from gan_cli.observers.style import INK

Array = NDArray[np.floating]
REAL, FAKE = "#1b1b1b", "#e8590c"
LIMIT = 5.0
"""Where the colours of ln p/q end: a factor of 150 is as good as certain."""


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
    def norm(self) -> Normalize:
        """Colour limits: even about 0 for ln p/q, the middle 96 % of raw scores."""
        finite = self.values[np.isfinite(self.values)]
        if self.is_log_ratio or not finite.size:
            return Normalize(-LIMIT, LIMIT)
        low, high = np.percentile(finite, [2, 98])
        return Normalize(float(low), float(max(high, low + 1e-6)))


def scatter(real: Tensor, fake: Tensor, field: Field | None, frame: Frame, title: str) -> Picture:
    """Real and generated points [N, D ≥ 2] in their first two coordinates, over the critic's field."""
    figure, axes = _figure(6.4, 5.4)
    extent = (frame.low[0], frame.high[0], frame.low[1], frame.high[1])
    if field is not None:
        side = round(len(field.values) ** 0.5)
        image = axes.imshow(
            field.values.reshape(side, side), origin="lower", extent=extent, norm=field.norm, cmap="RdBu",
            interpolation="bilinear", alpha=0.85,
        )  # fmt: skip
        bar = figure.colorbar(image, ax=axes, extend="both", shrink=0.85, pad=0.02, label=field.label)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=8, colors=INK, length=2)
        bar.ax.yaxis.label.set(size=9, color=INK)
    for points, colour, name, size in ((real, REAL, "real", 9.0), (fake, FAKE, "generated", 5.0)):
        x = points[:, :2].float().cpu().numpy()
        away = frame.outside(x)
        label = name if away < 0.005 else f"{name} ({away:.0%} out of view)"
        axes.scatter(
            x[:, 0], x[:, 1], s=size, c=colour, alpha=0.85, linewidths=0.3, edgecolors="white", label=label
        )
    axes.set(xlim=extent[:2], ylim=extent[2:], aspect="equal")
    style.head(axes, title)
    return style.png(figure)


def densities(
    real: Tensor, fake: Tensor, density: Array | None, field: Field | None, frame: Frame, title: str
) -> Picture:
    """Histograms of real and generated numbers [N, 1], the true density if known, and any field below."""
    figure, top = _figure(6.4, 5.4, rows=1 if field is None else 2)
    bins = np.linspace(frame.low[0], frame.high[0], 81)
    highest = 0.0
    for points, colour, name in ((real, REAL, "real"), (fake, FAKE, "generated")):
        values = points.float().cpu().numpy()
        away = frame.outside(values)
        label = name if away < 0.005 else f"{name} ({away:.0%} out of view)"
        heights = np.histogram(values, bins)[0] / (len(values) * np.diff(bins))
        highest = highest or float(heights.max())
        top.stairs(heights, bins, fill=True, color=colour, alpha=0.2 if name == "real" else 0.55, label=label)
    if density is not None:
        top.plot(
            frame.mesh(len(density))[:, 0].numpy(), density, color=REAL, linewidth=1.4, label="true density"
        )
    # A collapsed generator's spike is cut: the real density has to stay readable.
    top.set(ylim=(0, 1.5 * highest), ylabel="density")
    style.head(top, title)
    if field is not None:
        bottom = figure.axes[1]
        bottom.axhline(0, color=INK, linewidth=0.6)
        bottom.plot(frame.mesh(len(field.values))[:, 0].numpy(), field.values, color="#1864ab", linewidth=1.4)
        if field.is_log_ratio:
            bottom.set_ylim(-LIMIT, LIMIT)
        bottom.set(xlim=(frame.low[0], frame.high[0]), ylabel=field.label)
    return style.png(figure)


def _figure(width: float, height: float, rows: int = 1) -> tuple[Figure, Axes]:
    """A figure with one column of axes over a shared x, and the first of them."""
    made = style.figure(width, height)
    # Margins by hand: matplotlib's own layout would cost as much as the drawing.
    place = {"left": 0.09, "right": 0.97, "bottom": 0.06, "top": 0.94, "hspace": 0.08}
    ratios = [2, 1][:rows]
    column = made.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=ratios, gridspec_kw=place)[:, 0]
    for axes in column:
        style.quiet(axes)
    return made, column[0]
