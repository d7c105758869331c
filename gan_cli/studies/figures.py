"""The studies' figures: curves over training with the spread of their seeds, in the house's style."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gan_cli.observers import style
from gan_cli.observers.style import INK


def panels(
    rows: int, columns: int, width: float = 3.6, height: float = 2.7, **options: Any
) -> tuple[Figure, Any]:
    """A figure without pyplot's global state, and its axes [rows, columns]; options as of `subplots`."""
    figure = style.figure(width * columns, height * rows, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **options)
    for axes in grid.flat:
        style.quiet(axes)
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
