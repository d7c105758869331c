"""The f-GAN paper's univariate table: a Gaussian fitted to a mixture under five divergences."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from matplotlib.axes import Axes
from torch import Tensor

from gan_cli.build import Experiment
from gan_cli.checks import at_least_one, positive, require
from gan_cli.data.base import Distribution
from gan_cli.divergences.base import Divergence
from gan_cli.errors import InputError
from gan_cli.losses.fgan import FGAN
from gan_cli.models.affine import Generator
from gan_cli.observers import style
from gan_cli.studies import figures
from gan_cli.studies.base import Desk, Runs, rounds, runs
from gan_cli.studies.optimum import Line, Optimum, bound_of, optimum
from gan_cli.studies.report import leave, spread, table
from gan_cli.types import GameState

PAPER = {
    "kl": Optimum(1.0335, 1.8236, 0.2801),
    "rkl": Optimum(1.5624, 1.6403, 0.2415),
    "js": Optimum(1.2854, 1.7659, 0.1226),
    "jeffreys": Optimum(1.2295, 1.8087, 0.5151),
    "pearson": Optimum(0.6157, 1.9031, 0.6379),
}
"""What the paper's generators learned, and the bound that its critics did: μ̂, σ̂, F(ω̂, θ̂)."""
TITLES = {
    "kl": "KL",
    "rkl": "reverse KL",
    "js": "Jensen–Shannon",
    "jeffreys": "Jeffreys",
    "pearson": "Pearson χ²",
}
NAMES = {"mean": "μ", "std": "σ", "value": "bound"}


@dataclass(frozen=True)
class Univariate:
    """μ̂, σ̂ and the critic's bound for five divergences, beside the paper's and the exact optimum.

    The learning rates are `factors` times those of the setting, each for an equal share of `steps`. μ̂ and
    σ̂ are means over the generators of the last share `average` of all rounds, and F(ω̂, θ̂) is the last
    critic's bound for that Gaussian, by quadrature. seeds ≥ 1, factors above 0, 0 < average ≤ 1, else
    ValueError.
    """

    seeds: int = 10
    factors: Sequence[float] = (1.0, 0.3, 0.1)
    average: float = 0.3

    def __post_init__(self) -> None:
        at_least_one(seeds=self.seeds, factors=len(self.factors))
        for factor in self.factors:
            positive(factors=factor)
        require(0 < self.average <= 1, "average", "above 0 and at most 1", self.average)

    def run(self, desk: Desk) -> None:
        """Train all five, and leave the table and the figure."""
        found: dict[str, Any] = {}
        for name in PAPER:
            found[name] = desk.remembered(name, partial(self._trained, name, desk))
            desk.say(f"{TITLES[name]}: " + ", ".join(f"{NAMES[k]} {spread(found[name][k])}" for k in NAMES))
        best = {name: _optimum(desk.experiment(f"loss=fgan_{name}")) for name in PAPER}
        leave(desk, _table(found, best), found, {"univariate": _figure(desk, found, best)})

    def _trained(self, name: str, desk: Desk) -> dict[str, Any]:
        start = desk.experiment(f"loss=fgan_{name}", "loss.generator=variational")
        _check(start)
        rates = {side: start.config["optimizer"][side]["lr"] for side in ("generator", "critic")}
        first = start.seed
        seeds = range(first, first + self.seeds)
        state, passed, shares = None, 0, len(self.factors)
        path: list[Tensor] = []
        for number, factor in enumerate(self.factors):
            slower = [f"optimizer.{side}.lr={rate * factor}" for side, rate in rates.items()]
            made = desk.experiment(f"loss=fgan_{name}", "loss.generator=variational", *slower)
            until = made.steps * (number + 1) // shares
            with runs(made, seeds) as them:
                state = them.ensemble.init(seeds, made.device) if state is None else state
                for after in rounds(them, state, passed, until, desk):
                    path.append(_moments(after))
                    state = after
                passed = until
        assert state is not None
        return self._result(them, state, torch.stack(path).double().cpu())

    def _result(self, them: Runs, state: GameState, path: Tensor) -> dict[str, Any]:
        """The numbers of one divergence from its last state and all moments, [steps, 2, S]."""
        last = max(1, round(len(path) * self.average))
        mean, std = path[-last:].mean(0).tolist()
        game, line = them.experiment.game, _line(them.experiment)
        assert isinstance(game.loss, FGAN)
        x = line.x.to(them.experiment.device)
        score = torch.vmap(game.score, in_dims=(0, None))(state, x).double().cpu()
        bounds = [bound_of(game.loss, line, *at) for at in zip(score, mean, std, strict=True)]
        few = slice(None, None, max(1, len(path) // 200))
        return {
            "mean": mean,
            "std": std,
            "value": bounds,
            "steps": list(range(1, len(path) + 1))[few],
            "means": path[few, 0].tolist(),
            "stds": path[few, 1].tolist(),
        }


def _check(made: Experiment) -> None:
    """Raise InputError unless the generator is x = μ + σz on the line and the target's density is known."""
    if not isinstance(made.game.generator.network.module, Generator) or made.dataset.shape != (1,):
        raise InputError("study=fgan_univariate: it needs model=univariate and a target on the line")
    if not isinstance(made.dataset.load(), Distribution):
        raise InputError("study=fgan_univariate: it needs a target of known density, such as data=mixture1d")


def _line(made: Experiment) -> Line:
    law = made.dataset.load()
    assert isinstance(law, Distribution)
    return Line.of(law)


def _divergence(made: Experiment) -> Divergence:
    assert isinstance(made.game.loss, FGAN)
    return made.game.loss.divergence


def _optimum(made: Experiment) -> Optimum:
    return optimum(_divergence(made), _line(made))


def _moments(state: GameState) -> Tensor:
    """μ and |σ| of each run's generator, [2, S]."""
    params = state.generator.params
    return torch.stack([params["mean"][:, 0], params["map"][:, 0, 0].abs()])


def _table(found: dict[str, Any], best: dict[str, Optimum]) -> str:
    """Ours beside the paper's and the optimum, and how many seeds are at least as close as the paper's."""
    rows, counts = [], []
    for name, paper in PAPER.items():
        for key, word in NAMES.items():
            ours, goal, theirs = found[name][key], getattr(best[name], key), getattr(paper, key)
            off, off_paper = abs(statistics.fmean(ours) - goal), abs(theirs - goal)
            close = sum(abs(value - goal) <= off_paper for value in ours)
            counts.append(off <= off_paper)
            numbers = [f"{goal:.4f}", f"{theirs:.4f}", spread(ours, 4), f"{off_paper:.4f}", f"{off:.4f}"]
            rows.append([TITLES[name], word, *numbers, f"{close}/{len(ours)}"])
    header = [
        "divergence",
        "",
        "optimum",
        "paper",
        "ours",
        "paper's error",
        "error of our mean",
        "seeds as close",
    ]
    share = f"{sum(counts)} of {len(counts)}"
    return f"{table(header, rows)}\nOur mean is at least as close as the paper's value in {share} numbers.\n"


def _figure(desk: Desk, found: dict[str, Any], best: dict[str, Optimum]) -> bytes:
    """Above the fitted densities, in the middle the fits over the rounds, below each seed's errors."""
    figure, grid = figures.panels(3, len(PAPER), 2.7, 2.1, sharey="row")
    black, orange, blue, green = style.COLOURS[:4]
    line = _line(desk.experiment())
    shown = line.x[:, 0].abs() < 6.5
    x = line.x[shown, 0].numpy()
    for (name, paper), (top, middle, bottom) in zip(PAPER.items(), grid.T, strict=True):
        goal, ours = best[name], found[name]
        top.fill_between(x, line.log_p.exp()[shown].numpy(), color=black, alpha=0.15, linewidth=0)
        for mean, std in zip(ours["mean"], ours["std"], strict=True):
            top.plot(x, line.log_normal(mean, std).exp()[shown].numpy(), color=orange, linewidth=0.6)
        top.plot(
            x, line.log_normal(goal.mean, goal.std).exp()[shown].numpy(), "--", color=black, linewidth=0.9
        )
        figures.label(top, TITLES[name], x="x")
        for key, colour in (("mean", blue), ("std", green)):
            figures.curve(middle, ours["steps"], ours[f"{key}s"], f"{NAMES[key]} of ours", colour)
            middle.axhline(getattr(goal, key), color=black, linestyle="--", linewidth=0.9)
        figures.label(middle, x="round")
        _errors(bottom, ours, goal, paper)
    for axes, row in zip(grid[:, 0], ("density", "μ and σ", "less the optimum"), strict=True):
        axes.set_ylabel(row, size=8.5, color=style.INK)
    grid[1, 0].fill_between([], [], color=black, alpha=0.15, linewidth=0, label="target")
    for line_style, colour, word in (("-", orange, "our fits"), ("--", black, "optimum")):
        grid[1, 0].plot([], [], line_style, color=colour, label=word)
    grid[1, 0].plot([], [], "o", markersize=3, color=orange, label="our seeds")
    grid[1, 0].plot([], [], "x", color=black, label="the paper's")
    figures.legend(figure, grid[1, 0], 7)
    return style.png(figure).png


def _errors(axes: Axes, ours: dict[str, Any], goal: Optimum, paper: Optimum) -> None:
    """Value less optimum of μ, σ and the bound: a dot a seed, a cross for the paper's."""
    axes.axhline(0, color=style.COLOURS[0], linestyle="--", linewidth=0.9)
    for place, key in enumerate(NAMES):
        off = [value - getattr(goal, key) for value in ours[key]]
        beside = [place - 0.12 + 0.24 * i / max(1, len(off) - 1) for i in range(len(off))]
        axes.plot(beside, off, "o", markersize=2.5, color=style.COLOURS[1], markeredgewidth=0)
        axes.plot(
            [place], [getattr(paper, key) - getattr(goal, key)], "x", color=style.COLOURS[0], markersize=6
        )
    axes.set_xticks(range(len(NAMES)), list(NAMES.values()))
    axes.set_xlim(-0.5, len(NAMES) - 0.5)
