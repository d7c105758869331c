"""Arjovsky and Bottou's experiment: what is left of the generator's gradient as the critic gets better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

import torch

from gan_cli.checks import at_least_one, positive, require
from gan_cli.losses.base import Loss
from gan_cli.observers import style
from gan_cli.studies import figures
from gan_cli.studies.base import Desk, Runs, rounds, runs
from gan_cli.studies.gradients import critic_round, gradient_size
from gan_cli.studies.report import leave, magnitude, table
from gan_cli.types import GameState

SHOWN = 0, 10, 100, 500, 1000, 2000, 5000
"""The critic's updates that the table shows, as far as they are measured."""
Found = dict[str, Any]


@dataclass(frozen=True)
class Critic:
    """A critic to be trained, and the losses by which a generator may learn from it, by the curves' names."""

    overrides: tuple[str, ...]
    asked: Mapping[str, str]


def critics(noise: float, clip: float) -> dict[str, Critic]:
    """The critics of the study."""
    trick = "trick.instance_noise"
    noisy = ("trick=[instance_noise]", f"{trick}.start={noise}", f"{trick}.schedule=constant")
    clipped = ("trick=[weight_clipping]", f"trick.weight_clipping.c={clip}")
    return {
        "plain": Critic(("loss=gan",), {"minimax": "gan", "non-saturating": "gan_ns"}),
        "noisy": Critic(
            ("loss=gan", *noisy),
            {f"minimax, noise {noise:g}": "gan", f"non-saturating, noise {noise:g}": "gan_ns"},
        ),
        "penalty": Critic(("loss=wgan", "trick=[wgan_gp]"), {"WGAN, gradient penalty": "wgan"}),
        "clipped": Critic(("loss=wgan", *clipped), {"WGAN, weight clipping": "wgan"}),
    }


@dataclass(frozen=True)
class Vanishing:
    """‖∇_θ L_G‖ while fresh critics are trained against generators that stand still.

    The setting's game is played for each number of rounds in `trained`. Then, with those generators fixed,
    each critic starts anew and moves `updates` times, by the setting's optimiser. At `points` moments,
    closest together at the start, the norm of the generator's mean gradient over `batches` batches is
    taken, and the noise of one batch's. noise: σ of the instance noise; clip: c of the weight clipping.

    Raises ValueError for numbers below 1, noise or clip not above 0, and `trained` that does not rise.
    Sources: Arjovsky & Bottou 2017, figures 2 and 3; Arjovsky et al. 2017.
    """

    trained: Sequence[int] = (100, 1000, 3000)
    updates: int = 1000
    points: int = 21
    batches: int = 8
    seeds: int = 5
    noise: float = 1.0
    clip: float = 0.05

    def __post_init__(self) -> None:
        at_least_one(updates=self.updates, seeds=self.seeds)
        require(self.points >= 2, "points", "at least 2", self.points)
        require(self.batches >= 2, "batches", "at least 2: one has no spread", self.batches)
        positive(noise=self.noise, clip=self.clip)
        rising = list(self.trained) == sorted(set(self.trained)) and len(self.trained) > 0
        require(rising and self.trained[0] >= 0, "trained", "rising numbers of rounds", list(self.trained))

    def run(self, desk: Desk) -> None:
        """Train generators and critics, and leave the table and the figure."""
        # Trained once, and only if something is to be measured.
        generators = cache(lambda: self._generators(desk))
        found: Found = {}
        for key, critic in critics(self.noise, self.clip).items():
            for amount in self.trained:

                def measured(critic: Critic = critic, amount: int = amount) -> Found:
                    return self._measured(desk, critic, generators()[amount])

                for name, curve in desk.remembered(f"{key}_{amount}", measured).items():
                    found.setdefault(name, {})[str(amount)] = curve
                desk.say(f"the critic {key!r} after {amount} rounds is measured")
        leave(desk, self._table(found), found, {"vanishing_gradients": self._figure(found)})

    def _seeds(self, first: int) -> range:
        return range(first, first + self.seeds)

    def _moments(self) -> list[int]:
        parts = self.points - 1
        spaced = {round(self.updates * (i / parts) ** 2) for i in range(self.points)}
        return sorted(spaced | {u for u in SHOWN if u <= self.updates})

    def _generators(self, desk: Desk) -> dict[int, GameState]:
        """The stacked states after each number of rounds."""
        made = desk.experiment()
        with runs(made, self._seeds(made.seed)) as them:
            start = them.ensemble.init(them.seeds, made.device)
            states = chain([start], rounds(them, start, 0, self.trained[-1], desk))
            return {step: state for step, state in enumerate(states) if step in self.trained}

    def _measured(self, desk: Desk, critic: Critic, start: GameState) -> Found:
        """Each asked loss's {"updates": [points], "norm", "noise": [points][seeds]}."""
        made = desk.experiment(*critic.overrides)
        losses = {
            name: desk.experiment(*critic.overrides, f"loss={loss}").game.loss
            for name, loss in critic.asked.items()
        }
        moments = self._moments()
        found: Found = {name: {"updates": moments, "norm": [], "noise": []} for name in losses}
        with runs(made, self._seeds(made.seed)) as them:
            fresh = them.ensemble.init(them.seeds, made.device)
            state = GameState(start.generator, fresh.critic, fresh.step)
            move = torch.vmap(lambda s, b: critic_round(them.ensemble.game, s, b))
            for update in range(self.updates + 1):
                if update in moments:
                    self._look(them, state, losses, found)
                desk.go_on()
                with torch.no_grad():
                    state = move(state, them.ensemble.draw(update, them.feeds, them.streams))
        return found

    def _look(self, them: Runs, state: GameState, losses: Mapping[str, Loss], found: Found) -> None:
        """Add each loss's norm and noise, on latents that no critic was trained on."""
        game, first = them.ensemble.game, self.updates + 1
        several = [
            them.ensemble.draw(first + i, them.feeds, them.streams).generator for i in range(self.batches)
        ]
        for name, loss in losses.items():
            size = torch.vmap(lambda s, *b, loss=loss: gradient_size(game, s, b, loss))
            with torch.no_grad():
                norms, noise = size(state, *several)
            found[name]["norm"].append(norms.tolist())
            found[name]["noise"].append(noise.tolist())

    def _table(self, found: Found) -> str:
        """Norms at the shown updates, and the noise over the norm at the end."""
        shown = [u for u in SHOWN if u <= self.updates]
        header = [
            "generator's rounds",
            "loss",
            *(f"{u} updates" for u in shown),
            "noise / norm, start and end",
        ]
        rows = []
        for amount in map(str, self.trained):
            for name, curves in found.items():
                curve = curves[amount]
                at = [curve["updates"].index(u) for u in shown]
                ratio = [
                    [n / max(g, 1e-30) for n, g in zip(curve["noise"][i], curve["norm"][i], strict=True)]
                    for i in (at[0], at[-1])
                ]
                cells = [magnitude(curve["norm"][i]) for i in at]
                rows.append([amount, name, *cells, " → ".join(magnitude(r) for r in ratio)])
        return table(header, rows)

    def _figure(self, found: Found) -> bytes:
        figure, grid = figures.panels(2, len(self.trained), 3.3, 2.6, sharex=True, sharey="row")
        for amount, *column in zip(self.trained, *grid, strict=True):
            for colour, (name, curves) in zip(style.COLOURS, found.items(), strict=False):
                curve = curves[str(amount)]
                for axes, key in zip(column, ("norm", "noise"), strict=True):
                    figures.curve(axes, curve["updates"], curve[key], name, colour, log=True)
            figures.label(
                column[0],
                f"generator after {amount} rounds",
                y="‖mean gradient‖" if amount == self.trained[0] else "",
            )
            figures.label(
                column[1], x="critic updates", y="noise of one batch" if amount == self.trained[0] else ""
            )
        figures.legend(figure, grid[0, 0], 3)
        return style.png(figure).png
