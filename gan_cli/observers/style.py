"""How all figures look, and how one becomes a PNG."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gan_cli.observers.recorder import Picture

INK = "#444444"
COLOURS = ("#1b1b1b", "#e8590c", "#1864ab", "#2b8a3e", "#862e9c", "#c2255c", "#a67c00", "#0b7285")


def figure(width: float, height: float, **options: Any) -> Figure:
    """An empty figure of so many inches, without pyplot's global state; options as of `Figure`."""
    made = Figure(figsize=(width, height), dpi=110, **options)
    FigureCanvasAgg(made)
    return made


def quiet(axes: Axes) -> None:
    """Thin grey frame, small ticks and names."""
    axes.tick_params(labelsize=8, colors=INK, length=2)
    for spine in axes.spines.values():
        spine.set(linewidth=0.6, color="#999999")
    for name in (axes.xaxis.label, axes.yaxis.label):
        name.set(size=9, color=INK)


def head(axes: Axes, title: str) -> None:
    """Title and legend over the axes, where they hide nothing."""
    axes.set_title(title, loc="left", size=10, color=INK)
    axes.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=3, fontsize=8, frameon=False, borderaxespad=0,
        handletextpad=0.3, columnspacing=1.2, markerscale=1.5, labelcolor=INK,
    )  # fmt: skip


def png(made: Figure) -> Picture:
    """The figure as PNG, without date or program: the same picture is the same bytes."""
    buffer = io.BytesIO()
    made.savefig(buffer, format="png", metadata={"Software": None})
    width, height = (int(v) for v in made.bbox.size)
    return Picture(buffer.getvalue(), width, height)
