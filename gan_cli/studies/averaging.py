"""Historical averaging: on a game of two numbers, and on a small GAN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gan_cli.calculus import functional
from gan_cli.checks import at_least_one, nonnegative, positive, require
from gan_cli.dynamics import Alternating, Order, Simultaneous
from gan_cli.ensemble import Ensemble
from gan_cli.game import Game, Prior, Side
from gan_cli.losses.wgan import WGAN
from gan_cli.network import Network
from gan_cli.observers import style
from gan_cli.streams import Streams
from gan_cli.studies import figures
from gan_cli.studies.base import Desk
from gan_cli.studies.comparison import Comparison
from gan_cli.studies.report import leave, magnitude, table
from gan_cli.terms.historical_averaging import historical_averaging
from gan_cli.transforms.sgd import SGD

Shape = Literal["line", "kinked"]
ORDERS: dict[str, Order] = {"simultaneous": Simultaneous(), "alternating": Alternating()}
TITLES: dict[Shape, str] = {"line": "(x − 1)(y − 1)", "kinked": "(f(x) − 1)(y − 1)"}
Found = dict[str, Any]


class Point(nn.Module):
    """The generator of one number: every latent, [B, 1], becomes f(x), [B, 1], for the one parameter x.

    f(x) = x on the line; kinked, x below 0 and x² above (Salimans et al. 2016, section 3.3). It starts
    near 1.
    """

    def __init__(self, shape: Shape):
        super().__init__()
        self.kinked = shape == "kinked"
        self.x = nn.Parameter(1 + 0.5 * torch.randn(()))

    def forward(self, z: Tensor) -> Tensor:
        y = torch.where(self.x < 0, self.x, self.x.square()) if self.kinked else self.x
        return y.expand(len(z), 1)


class Slope(nn.Module):
    """The critic V(u) = (y − 1)·u: [B, 1] -> [B]. y starts near 1."""

    def __init__(self) -> None:
        super().__init__()
        self.y = nn.Parameter(1 + 0.5 * torch.randn(()))

    def forward(self, u: Tensor) -> Tensor:
        return (self.y - 1) * u[:, 0]


class Ones:
    """Real examples that are all the number 1."""

    def batch(self, number: int) -> Tensor:
        """The one example, [1, 1]."""
        return torch.ones(1, 1, dtype=torch.float64)

    def labels(self, number: int) -> Tensor:
        """The one class, [1]."""
        return torch.zeros(1, dtype=torch.int64)


def game_of(shape: Shape, weight: float, rate: float, order: Order) -> Game:
    """The zero-sum game (f(x) − 1)(y − 1), as a WGAN: V's mean on Q less that on P is its value.

    y descends it and x ascends it, by gradient descent at `rate`, each with λ‖θ − θ̄‖² of weight λ. Its
    equilibrium is x = y = 1.
    """
    terms = historical_averaging(weight, weight)

    def side(name: str, network: Network) -> Side:
        return Side(network, SGD(rate), tuple(term for term in terms if term.side == name))

    return Game(
        generator=side("generator", Network(lambda: Point(shape), torch.float64)),
        critic=side("critic", Network(Slope, torch.float64)),
        loss=WGAN(),
        prior=Prior(1),
        prepare=lambda x: x,
        batch_size=1,
        order=order,
        calculus=functional,
        dtype=torch.float64,
    )


def orbits(game: Game, seeds: Sequence[int], steps: int, every: int) -> Found:
    """The players' paths from each seed's start: {"steps", "x", "y": [a number a seed] a moment}."""
    ensemble, streams = Ensemble(game), [Streams(seed, torch.device("cpu")) for seed in seeds]
    state = ensemble.init(seeds)
    found: Found = {"steps": [], "x": [], "y": []}
    batches = ensemble.draw(0, [Ones() for _ in seeds], streams)  # neither player sees a latent: any will do
    for step in range(steps + 1):
        if step % every == 0:
            found["steps"].append(step)
            found["x"].append(state.generator.params["x"].tolist())
            found["y"].append(state.critic.params["y"].tolist())
        state, _ = ensemble.play(state, batches)
    return found


def distances(path: Found) -> list[list[float]]:
    """‖(x, y) − (1, 1)‖ by moment and seed; infinite where a player is out of all bounds."""
    xy = torch.tensor([path["x"], path["y"]], dtype=torch.float64)
    away = (xy - 1).square().sum(0).sqrt().nan_to_num(float("inf")).clamp(max=1e12)
    found: list[list[float]] = away.tolist()
    return found


@dataclass(frozen=True)
class Averaging:
    """How far games of two numbers end from their equilibrium with and without it; then `small`, a small GAN.

    weights: λ of the games; rate: of gradient descent; steps, seeds: of the games. Raises ValueError for
    weights below 0, a rate not above 0, and numbers below 1.
    """

    small: Comparison
    weights: Sequence[float] = (0.0, 0.1, 0.3, 1.0)
    rate: float = 0.1
    steps: int = 1000
    seeds: int = 8

    def __post_init__(self) -> None:
        at_least_one(steps=self.steps, seeds=self.seeds)
        positive(rate=self.rate)
        require(len(self.weights) > 0, "weights", "at least one", list(self.weights))
        for weight in self.weights:
            nonnegative(weights=weight)

    def run(self, desk: Desk) -> None:
        """Play the games, train the GANs, and leave the tables and figures."""
        every = max(1, self.steps // 400)
        found: Found = {}
        for shape in TITLES:
            for order in ORDERS:
                for weight in self.weights:
                    made = game_of(shape, weight, self.rate, ORDERS[order])
                    play = partial(orbits, made, range(self.seeds), self.steps, every)
                    path = desk.remembered(f"{shape}_{order}_{weight:g}", play)
                    found[f"{TITLES[shape]}, {order}, λ = {weight:g}"] = path
        small = self.small.trained(desk)
        text = f"{_table(found)}\n{self.small.table(small)}"
        pictures = {"historical_averaging": self._figure(found), self.small.picture: self.small.figure(small)}
        leave(desk, text, {"games": found, "small": small}, pictures)

    def _figure(self, found: Found) -> bytes:
        """The first seed's paths in the plane, and all seeds' distances, a column for each game and order."""
        figure, grid = figures.panels(2, len(TITLES) * len(ORDERS), 2.7, 2.5, sharex="row")
        titles = [f"{title}, {order}" for title in TITLES.values() for order in ORDERS]
        for number, title in enumerate(titles):
            for colour, weight in zip(style.COLOURS[1:], self.weights, strict=False):
                path = found[f"{title}, λ = {weight:g}"]
                x, y = ([v[0] for v in path[k]] for k in "xy")
                grid[0, number].plot(x, y, color=colour, linewidth=0.8, label=f"λ = {weight:g}")
                figures.curve(
                    grid[1, number], path["steps"], distances(path), f"λ = {weight:g}", colour, log=True
                )
            grid[0, number].plot([1], [1], "+", color=style.INK, markersize=9)
            grid[0, number].set(xlim=(-2, 4), ylim=(-2, 4))
            figures.label(grid[0, number], title, x="x", y="y" if number == 0 else "")
            grid[1, number].set_ylim(1e-5, 1e2)
            figures.label(grid[1, number], x="round", y="distance from (1, 1)" if number == 0 else "")
        figures.legend(figure, grid[1, 0], len(self.weights))
        return style.png(figure).png


def _table(found: Found) -> str:
    rows = []
    for name, path in found.items():
        away = distances(path)
        near = sum(end < 0.05 * start for start, end in zip(away[0], away[-1], strict=True))
        rows.append([name, magnitude(away[0]), magnitude(away[-1]), f"{near}/{len(away[0])}"])
    header = ["game", "distance at the start", "at the end", "seeds that came within 5 % of their start"]
    return table(header, rows)
