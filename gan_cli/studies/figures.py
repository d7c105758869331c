"""The studies' figures: curves over training with the spread of their seeds, in the house's style."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK = "#444444"
COLOURS = ("#1b1b1b", "#e8590c", "#1864ab", "#2b8a3e", "#862e9c", "#c2255c", "#a67c00", "#0b7285")


def panels(
    rows: int, columns: int, width: float = 3.6, height: float = 2.7, **options: Any
) -> tuple[Figure, Any]:
    """A figure without pyplot's global state, and its axes [rows, columns]; options as of `subplots`."""
    figure = Figure(figsize=(width * columns, height * rows), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False, **options)
    for axes in grid.flat:
        axes.tick_params(labelsize=8, colors=INK, length=2)
        for spine in axes.spines.values():
            spine.set(linewidth=0.6, color="#999999")
    return figure, grid


def label(axes: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Title over the left corner, and the axes' names."""
    axes.set_title(title, loc="left", size=9.5, color=INK)
    axes.set_xlabel(x, size=8.5, color=INK)
    axes.set_ylabel(y, size=8.5, color=INK)


def curve(
    axes: Axes,
    steps: Sequence[float],
    values: Sequence[Sequence[float]],
    name: str,
    colour: str,
    log: bool = False,
) -> None:
    """The mean over seeds of values [steps, seeds] and a band of one deviation; of logarithms if `log`."""
    v = np.asarray(values, dtype=float)
    if log:
        v = np.log(np.maximum(v, 1e-30))
    mean = v.mean(1)
    width = v.std(1, ddof=1) if v.shape[1] > 1 else 0 * mean
    low, high = mean - width, mean + width
    if log:
        mean, low, high = np.exp(mean), np.exp(low), np.exp(high)
        axes.set_yscale("log")
    axes.fill_between(steps, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.plot(steps, mean, color=colour, linewidth=1.4, label=name)


def legend(figure: Figure, axes: Axes, columns: int) -> None:
    """One legend for all panels, under them."""
    handles, names = axes.get_legend_handles_labels()
    figure.legend(
        handles, names, loc="outside lower center", ncols=columns, fontsize=8.5, frameon=False, labelcolor=INK
    )


def png(figure: Figure) -> bytes:
    """The figure as PNG, without date or program: the same picture is the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
