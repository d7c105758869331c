"""An estimate to look at: the bound during training, the critic against the best one, ln p/q, and its
calibration."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from gan_cli.data.base import Distribution
from gan_cli.estimation.estimate import Measured
from gan_cli.estimation.ratio import Reliability
from gan_cli.estimation.samples import Source
from gan_cli.losses.base import Loss
from gan_cli.losses.fgan import FGAN
from gan_cli.observers import style
from gan_cli.observers.plots import LIMIT, Frame
from gan_cli.observers.recorder import Picture
from gan_cli.observers.style import INK

Laws = tuple[Distribution, Distribution] | None
Array = NDArray[np.float64]
P, Q, LEARNED, BEST = "#1b1b1b", "#e8590c", "#1864ab", "#2b8a3e"
_SIDE = {1: 400, 2: 120}
_SHOWN = 2000
_LEAST_SHARE = 1e-3
"""A bin with less of both laws is left out of the diagram: its frequency is that of a few examples."""


def pictures(found: Measured, loss: Loss, p: Source, q: Source, laws: Laws) -> dict[str, Picture]:
    """The pictures by name: bound, score, and where the score stands for a density ratio, log_ratio,
    reliability."""
    # Where f' is a step the best score is infinite, and T is what can be looked at.
    what = "T" if isinstance(loss, FGAN) and not loss.divergence.smooth else "score"
    drawn = {"bound": _bound(found), "score": _critic(found, loss, p, q, laws, what)}
    if found.estimate.ratio is not None:
        drawn["log_ratio"] = _critic(found, loss, p, q, laws, "ln p/q")
        drawn["reliability"] = _reliability(found.estimate.ratio.before, found.estimate.ratio.after)
    return drawn


def _bound(found: Measured) -> Picture:
    figure, (axes,) = _figure(1)
    steps = [check.step for check in found.curve]
    bounds = np.array([check.bound for check in found.curve])
    spread = 1.96 * np.array([check.standard_error for check in found.curve])
    axes.plot(steps, bounds, color=LEARNED, linewidth=1.4, marker=".", label="on validation examples")
    axes.fill_between(steps, bounds - spread, bounds + spread, color=LEARNED, alpha=0.15, linewidth=0)
    result = found.estimate
    axes.axhspan(
        result.bound.low, result.bound.high, color=Q, alpha=0.25, label="held out, 95 %", linewidth=0
    )
    if result.truth is not None and np.isfinite(result.truth.exact.value):
        axes.axhline(result.truth.exact.value, color=P, linewidth=1, linestyle="--", label="exact")
    finite = bounds[np.isfinite(bounds)]
    if len(finite) > 1:  # the first checks may lie far below
        low, high = min(np.percentile(finite, 15), result.bound.low), max(finite.max(), result.bound.high)
        if result.truth is not None and np.isfinite(result.truth.exact.value):
            low, high = min(low, result.truth.exact.value), max(high, result.truth.exact.value)
        axes.set_ylim(low - 0.15 * (high - low) - 1e-9, high + 0.15 * (high - low) + 1e-9)
    axes.set(xlabel="updates of the critic", ylabel=result.divergence)
    style.head(axes, f"bound on {result.divergence}")
    return style.png(figure)


def _critic(found: Measured, loss: Loss, p: Source, q: Source, laws: Laws, what: str) -> Picture:
    """The critic's score, or the ln p/q that it stands for, and the best one where that is known."""

    def learned(x: Tensor) -> Tensor:
        score = found.critic(x)
        read: dict[str, Callable[[Tensor], Tensor | None]] = {"T": loss.statistic, "ln p/q": loss.log_ratio}
        seen = read[what](score) if what in read else score
        assert seen is not None  # `pictures` has asked
        return seen

    def best(x: Tensor) -> Tensor | None:
        if laws is None:
            return None
        ratio = laws[0].log_density(x.double()) - laws[1].log_density(x.double())
        if what == "T" and isinstance(loss, FGAN):
            return loss.divergence.derivative_at_exp(ratio)
        return loss.optimal_score(ratio) if what == "score" else ratio

    shown = [next(iter(side.part("held_out", _SHOWN))) for side in (p, q)]
    dimensions = shown[0].shape[1] if shown[0].dim() == 2 else 0
    if dimensions == 1:
        return _line(shown, learned, best, what)
    if dimensions == 2:
        return _plane(shown, learned, best, what)
    return _cloud(shown, learned, best, what)


def _line(
    shown: list[Tensor],
    learned: Callable[[Tensor], Tensor],
    best: Callable[[Tensor], Tensor | None],
    what: str,
) -> Picture:
    figure, (top, bottom) = _figure(2, ratios=(1, 2))
    frame = Frame.around(torch.cat(shown))
    bins = np.linspace(frame.low[0], frame.high[0], 61)
    for points, colour, name in zip(shown, (P, Q), "pq", strict=True):
        heights = np.histogram(points.cpu().numpy(), bins, density=True)[0]
        top.stairs(heights, bins, fill=True, color=colour, alpha=0.3, label=name)
    mesh = frame.mesh(_SIDE[1]).to(shown[0])
    x = mesh[:, 0].cpu().numpy()
    known = best(mesh)
    values = _array(learned(mesh))
    if known is not None:
        bottom.plot(x, _array(known), color=BEST, linewidth=2.4, alpha=0.6, label="best")
    bottom.plot(x, values, color=LEARNED, linewidth=1.2, label="learned")
    here = _array(learned(torch.cat(shown)))
    low, high = np.percentile(here[np.isfinite(here)], [0.5, 99.5])
    margin = 0.3 * (high - low) + 1e-3
    bottom.set(xlabel="x", ylabel=what, xlim=(bins[0], bins[-1]), ylim=(low - margin, high + margin))
    top.set(ylabel="density", xlim=(bins[0], bins[-1]))
    style.head(top, f"{what} on the line")
    bottom.legend(fontsize=8, frameon=False, labelcolor=INK)
    return style.png(figure)


def _plane(
    shown: list[Tensor],
    learned: Callable[[Tensor], Tensor],
    best: Callable[[Tensor], Tensor | None],
    what: str,
) -> Picture:
    frame = Frame.around(torch.cat(shown))
    mesh = frame.mesh(_SIDE[2]).to(shown[0])
    known = best(mesh)
    fields = [("learned", _array(learned(mesh)))] + ([] if known is None else [("best", _array(known))])
    figure, rows = _figure(1, columns=len(fields))
    here = _array(learned(torch.cat(shown)))
    low, high = np.percentile(here[np.isfinite(here)], [1, 99])
    if what == "ln p/q":
        low, high = -LIMIT, LIMIT
    extent = (frame.low[0], frame.high[0], frame.low[1], frame.high[1])
    for axes, (name, values) in zip(rows, fields, strict=True):
        image = axes.imshow(
            values.reshape(_SIDE[2], _SIDE[2]).clip(low, high), origin="lower", extent=extent, cmap="RdBu",
            vmin=low, vmax=high, interpolation="bilinear",
        )  # fmt: skip
        for points, colour, label in zip(shown, (P, Q), "pq", strict=True):
            some = points[:300].cpu().numpy()
            axes.scatter(
                some[:, 0], some[:, 1], s=5, c=colour, linewidths=0.2, edgecolors="white", label=label
            )
        axes.set(xlim=extent[:2], ylim=extent[2:])
        style.head(axes, f"{name} {what}")
    bar = figure.colorbar(image, ax=rows, extend="both", shrink=0.8, pad=0.02)
    bar.ax.tick_params(labelsize=8, colors=INK)
    return style.png(figure)


def _cloud(
    shown: list[Tensor],
    learned: Callable[[Tensor], Tensor],
    best: Callable[[Tensor], Tensor | None],
    what: str,
) -> Picture:
    """Learned against best at held-out examples; where the best is unknown, histograms of the learned."""
    figure, (axes,) = _figure(1)
    pairs = [(learned(x), best(x)) for x in shown]
    ends = np.percentile(_array(torch.cat([pair[0] for pair in pairs])), [0.2, 99.8])
    for (values, known), colour, name in zip(pairs, (P, Q), "pq", strict=True):
        if known is None:
            bins = np.linspace(ends[0], ends[1] + 1e-6, 61)
            axes.hist(
                _array(values),
                bins.tolist(),
                density=True,
                color=colour,
                alpha=0.4,
                label=f"examples of {name}",
            )
        else:
            axes.scatter(_array(known), _array(values), s=5, c=colour, alpha=0.4, linewidths=0, label=name)
    if pairs[0][1] is None:
        axes.set(xlabel=what, ylabel="density")
        style.head(axes, f"learned {what} on held-out examples")
    else:
        axes.plot(ends, ends, color=BEST, linewidth=1, label="equal")
        axes.set(xlabel=f"best {what}", ylabel=f"learned {what}")
        style.head(axes, f"learned against best {what}")
    return style.png(figure)


def _reliability(before: Reliability, after: Reliability) -> Picture:
    figure, (top, bottom) = _figure(2, ratios=(3, 1))
    top.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle="--")
    for curve, colour, name in ((before, LEARNED, "as learned"), (after, Q, "calibrated")):
        label = f"{name} (error {curve.error:.4f})"
        columns = zip(curve.weight, curve.predicted, curve.true, strict=True)
        held = np.array([(x, y) for weight, x, y in columns if weight >= _LEAST_SHARE])
        top.plot(*held.T, color=colour, marker="o", markersize=3.5, linewidth=1, label=label)
    bottom.bar(before.predicted, before.weight, width=0.03, color=LEARNED, alpha=0.5)
    top.set(ylabel="frequency of p", xlim=(0, 1), ylim=(0, 1))
    bottom.set(xlabel="predicted probability of p", ylabel="share", xlim=(0, 1))
    style.head(top, "reliability on held-out examples")
    return style.png(figure)


def _array(values: Tensor) -> Array:
    return values.detach().double().cpu().numpy()


def _figure(rows: int, columns: int = 1, ratios: tuple[int, ...] | None = None) -> tuple[Figure, list[Axes]]:
    made = style.figure(6.4 if columns == 1 else 10.5, 4.8, layout="constrained")
    every = made.subplots(rows, columns, squeeze=False, height_ratios=ratios).flatten().tolist()
    for axes in every:
        style.quiet(axes)
    return made, every
