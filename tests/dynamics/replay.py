"""Games by modules, backward() and torch.optim: what the dynamics are held against."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from gan_cli.game import Game, Side
from gan_cli.streams import Streams
from gan_cli.terms.historical_averaging import HistoricalAveraging
from gan_cli.terms.r1 import R1
from gan_cli.transforms.adam import Adam, AdamW
from gan_cli.transforms.rmsprop import RMSprop
from gan_cli.transforms.sgd import SGD
from gan_cli.types import GameRound, GameState, Params, Player
from tests.games import CPU, Cloud

MakeOptimiser = Callable[[Iterable[Tensor]], torch.optim.Optimizer]
# Under a critic with BatchNorm a generator's last bias has no gradient but that of its historical average; ε
# is so large that rate/ε times its curvature does not blow rounding up.
_ADAM: dict[str, Any] = {"lr": 0.05, "eps": 0.05}
_THEIRS: dict[str, Any] = _ADAM | {"betas": (0.5, 0.999)}
OPTIMISERS: dict[str, tuple[Any, MakeOptimiser]] = {
    "sgd": (SGD(lr=0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    "momentum": (SGD(lr=0.1, momentum=0.5), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.5)),
    "adam": (Adam(**_ADAM), lambda p: torch.optim.Adam(p, **_THEIRS)),
    "adamw": (AdamW(**_ADAM, weight_decay=0.1), lambda p: torch.optim.AdamW(p, **_THEIRS, weight_decay=0.1)),
    "rmsprop": (
        RMSprop(lr=0.01, alpha=0.9, eps=0.02),
        lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, eps=0.02),
    ),
}


class History:
    """The sum and number of a module's parameters so far, for their mean."""

    def __init__(self, module: nn.Module, past: Any = None):
        self.module, self.size = module, 1
        self.sums = {k: p.detach().clone() for k, p in module.named_parameters()}
        if past is not None:
            self.size = int(past.size)
            self.sums = {k: self.size * m for k, m in past.mean.items()}

    def distance(self) -> Tensor:
        """‖θ − θ̄‖²."""
        named = self.module.named_parameters()
        return torch.stack([((p - self.sums[k] / self.size) ** 2).sum() for k, p in named]).sum()

    def add(self) -> None:
        """Count the present parameters in."""
        self.size += 1
        self.sums = {k: self.sums[k] + p.detach() for k, p in self.module.named_parameters()}


def module_of(side: Side, player: Player) -> nn.Module:
    """A module of its own that holds the player's tensors."""
    module = copy.deepcopy(side.network.module)
    module.load_state_dict({k: v.clone() for k, v in (player.params | player.buffers).items()})
    return module


def history_of(side: Side, player: Player, module: nn.Module) -> History:
    """The player's past, where a term remembers one."""
    pasts = [m for t, m in zip(side.terms, player.terms, strict=True) if isinstance(t, HistoricalAveraging)]
    return History(module, *pasts)


def critic_loss(
    game: Game, critic: nn.Module, past: History, real: Tensor, fake: Tensor, step: int
) -> Tensor:
    """E[Loss.critic] with R1 and historical averaging, each as often and as strongly as it is to act."""
    total = game.loss.critic(critic(real), critic(fake)).mean()
    for term in game.critic.terms:
        if (step + 1) % term.every:
            continue
        if isinstance(term, R1):
            x = real.clone().requires_grad_()
            (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
            total = total + term.every * 0.5 * term.gamma * (slope**2).flatten(1).sum(1).mean()
        else:
            assert isinstance(term, HistoricalAveraging)
            total = total + term.every * term.weight * past.distance()
    return total


def packs(x: Tensor, m: int) -> Tensor:
    """m rows side by side."""
    return torch.stack([torch.cat([*x[i : i + m]]) for i in range(0, len(x), m)])


def warmed(game: Game, rounds: int = 3) -> tuple[GameState, GameRound]:
    """A state whose optimisers remember something, and the next round's batches."""
    streams, feed = Streams(1, CPU), Cloud()
    state = game.init(1)
    for step in range(rounds):
        state, _ = game.play(state, game.draw(step, feed, streams))
    return state, game.draw(rounds, feed, streams)


def generator_gradient(game: Game, state: GameState, batches: GameRound) -> tuple[Params, GameState]:
    """The gradient that a generator with SGD of rate 1 follows in this round, and the state after it."""
    after, _ = game.play(state, batches)
    return {k: p - after.generator.params[k] for k, p in state.generator.params.items()}, after


def ahead_loss(
    game: Game,
    state: GameState,
    start: Player,
    batches: GameRound,
    theta: Params,
    make_optimiser: MakeOptimiser,
) -> Tensor:
    """f(θ_G, θ_D^K(θ_G)) and the generator's own terms, the critic moving on from `start`."""
    generator = module_of(game.generator, Player(theta, state.generator.buffers, ()))
    critic = module_of(game.critic, start)
    optimiser = make_optimiser(critic.parameters())
    load_memory(optimiser, critic, start)
    past, batch, step = history_of(game.critic, start, critic), batches.generator, int(state.step)
    with torch.enable_grad():
        fake = packs(generator(batch.latent).detach(), game.packing)
        real = packs(batch.real.double(), game.packing)
        for _ in range(game.unroll):
            optimiser.zero_grad()
            critic_loss(game, critic, past, real, fake, step).backward()
            optimiser.step()
            past.add()
        v = critic(fake)
        # Of a zero-sum game the whole value; the other generators see no real examples but in pairs.
        whole = game.loss.zero_sum and game.unroll > 0
        value = -game.loss.critic(critic(real), v) if whole else game.loss.generator(critic(real), v)
        own = history_of(game.generator, state.generator, generator).distance()
        return (value.mean() + sum(t.weight for t in game.generator.terms) * own).detach()  # type: ignore[attr-defined]


def slope_along(function: Callable[[float], Tensor], h: float = 1e-4) -> Tensor:
    """df/dt at 0, by central differences of fourth order."""
    return (8 * (function(h) - function(-h)) - (function(2 * h) - function(-2 * h))) / (12 * h)


def load_memory(optimiser: torch.optim.Optimizer, critic: nn.Module, player: Player | GameState) -> None:
    """Give a torch optimiser what ours remembers of the critic."""
    memory: Any = (player.critic if isinstance(player, GameState) else player).memory
    for name, p in critic.named_parameters():
        if isinstance(optimiser, torch.optim.Adam):  # AdamW is one
            moments = {"exp_avg": memory.mean[name].clone(), "exp_avg_sq": memory.square[name].clone()}
            optimiser.state[p] = {"step": memory.updates.to(torch.float32)} | moments
        elif isinstance(optimiser, torch.optim.RMSprop):
            optimiser.state[p] = {"step": torch.tensor(1.0), "square_avg": memory.square[name].clone()}
        else:
            optimiser.state[p] = {"momentum_buffer": memory.velocity[name].clone()}
