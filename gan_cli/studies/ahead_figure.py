"""The figure of the unrolling study: one seed's samples over training for each K, and all seeds' curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray

from gan_cli.data.base import Distribution
from gan_cli.observers import style
from gan_cli.observers.plots import Frame
from gan_cli.observers.recorder import Picture
from gan_cli.observers.style import COLOURS, INK
from gan_cli.studies.figures import curve, label

Array = NDArray[np.floating]
CELLS = 120
"""Cells of a heat map's side."""
BLUR = 1.3
"""The standard deviation of the kernel that smooths a heat map, in cells."""


def drawn(found: dict[int, dict[str, Any]], law: Distribution) -> Picture:
    """For each K a row of heat maps, moments and the target; below, modes covered and quality by step."""
    real = law.sample(torch.Generator().manual_seed(0), 20_000)
    frame, columns = Frame.around(real), max(len(one["shown"]) for one in found.values())
    target = heat(real.numpy(), frame)
    width, height = max(1.45 * (columns + 1) + 0.3, 8.0), 1.45 * len(found) + 3.1
    figure = style.figure(width, height, layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[1.45 * len(found) + 0.3, 2.8], squeeze=False)[:, 0]
    grid = above.subplots(len(found), columns + 1, squeeze=False)
    _maps(grid, found, target, frame)
    for axes in grid[:, :-1].flat:  # where the modes are, for the eye
        axes.scatter(*law.modes.T.numpy(), s=14, facecolors="none", edgecolors="#999999", linewidths=0.5)
    left, right = below.subplots(1, 2)
    for (ahead, one), colour in zip(found.items(), COLOURS, strict=False):
        for axes, name, scale in ((left, "modes", 1), (right, "quality", 100)):
            curve(axes, one["steps"], (scale * np.asarray(one[name])).tolist(), f"K = {ahead}", colour)
    everything = next(iter(found.values()))["all_modes"]
    left.axhline(everything, color=INK, linewidth=0.6, linestyle=":")
    left.set_ylim(0, everything * 1.06)
    right.set_ylim(0, 100)
    seeds = len(next(iter(found.values()))["modes"][0])
    label(left, f"modes covered: mean and deviation over {seeds} seeds", x="step")
    label(right, "% of samples within 3σ of a mode", x="step")
    for axes in (left, right):
        style.quiet(axes)
        axes.set_xlim(left=0)
    right.legend(loc="upper left", fontsize=8.5, frameon=False, labelcolor=INK)
    return style.png(figure)


def _maps(grid: Any, found: dict[int, dict[str, Any]], target: Array, frame: Frame) -> None:
    """Fill the axes [K, moments + 1] with the heat of each moment's samples and of the target."""
    top = next(iter(found))
    for row, (ahead, one) in zip(grid, found.items(), strict=True):
        row[0].set_ylabel(
            f"K = {ahead}", size=9.5, color=INK, rotation=0, ha="right", va="center", labelpad=6
        )
        for axes, moment in zip(row, one["shown"], strict=False):
            points = np.asarray(moment["samples"], dtype=float)
            _map(
                axes,
                heat(points, frame),
                target.max(),
                frame,
                f"step {moment['step']:,}" if ahead == top else "",
            )
        for axes in row[len(one["shown"]) : -1]:
            axes.set_axis_off()
        _map(row[-1], target, target.max(), frame, "target" if ahead == top else "")


def heat(points: Array, frame: Frame) -> Array:
    """The share of points [N, 2] in each of CELLS² cells of the frame, smoothed; rows of equal y."""
    edges = [np.linspace(low, high, CELLS + 1) for low, high in zip(frame.low, frame.high, strict=True)]
    counts = np.histogram2d(points[:, 1], points[:, 0], bins=(edges[1], edges[0]))[0] / max(len(points), 1)
    reach = np.arange(-int(4 * BLUR), int(4 * BLUR) + 1)
    kernel = np.exp(-0.5 * (reach / BLUR) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        counts = np.apply_along_axis(np.convolve, axis, counts, kernel, mode="same")
    return counts


def _map(axes: Axes, values: Array, peak: float, frame: Frame, title: str) -> None:
    # The root lets a thin arc be seen beside a mode; a collapsed generator's peak is cut at the target's.
    extent = (frame.low[0], frame.high[0], frame.low[1], frame.high[1])
    shade = np.sqrt(np.minimum(values, peak))
    axes.imshow(shade, origin="lower", extent=extent, vmin=0, vmax=peak**0.5, cmap="BuPu")
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, size=9, color=INK)
    for spine in axes.spines.values():
        spine.set(linewidth=0.6, color="#999999")
