"""Laws of every term: its unit, its gradient, both calculi, ensembles, rests, and a critic without slope."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch.utils._pytree import tree_leaves, tree_map

from gan_cli.calculus import eager, functional
from gan_cli.dynamics import Simultaneous
from gan_cli.game import Game
from gan_cli.streams import Streams
from gan_cli.terms.base import Term
from gan_cli.transforms.sgd import SGD
from gan_cli.tricks import Tricks
from gan_cli.types import GameRound, GameState, Params
from tests.games import CONFIGS, CPU, Cloud, small_game

STRENGTHS = ("weight", "gamma", "generator", "critic")


class Case(NamedTuple):
    """A trick's yaml and some of its arguments."""

    name: str
    options: dict[str, Any]


def node(name: str, **options: Any) -> Any:
    trick = OmegaConf.merge(OmegaConf.load(CONFIGS / "trick" / f"{name}.yaml"), options)
    return OmegaConf.create({"batch_size": 8, "trick": {name: trick}}).trick[name]


def made(name: str, scale: float = 1.0, **options: Any) -> tuple[Term, ...]:
    """The terms of that yaml, with some arguments replaced and their strengths scaled."""
    found = node(name, **options)
    strengths = {key: scale * found[key] for key in STRENGTHS if key in found}
    tricks = Tricks()
    tricks.add(name, instantiate(found, **strengths, _convert_="all"))
    return tuple(tricks.terms)


NAMES = sorted(
    path.stem
    for path in (CONFIGS / "trick").glob("*.yaml")
    if OmegaConf.load(path)._target_.startswith("gan_cli.terms.")
)
VARIANTS = [
    Case("feature_matching", {"alone": False, "norm": "l1", "layer": 0}),
    Case("wgan_gp", {"one_sided": True}),
    Case("ema", {"decay": 0.9, "half_life_images": None, "warm_up": None}),
]
# A generator that matches features alone has no other loss, which `build` knows and these small games do not.
CASES = [Case(name, {"alone": False} if name == "feature_matching" else {}) for name in NAMES] + VARIANTS
each = pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, (case.name, *case.options))))


def game_of(terms: tuple[Term, ...] = (), lr: float = 0.01, **options: Any) -> Game:
    """A small game whose players descend slowly enough for the strongest penalty."""
    return small_game(terms=terms, generator_transform=SGD(lr=lr), critic_transform=SGD(lr=lr), **options)


def steep(state: GameState) -> GameState:
    """The state with a critic steep enough for a one-sided penalty."""
    critic = state.critic
    return state._replace(critic=critic._replace(params={k: 6 * p for k, p in critic.params.items()}))


def drawn(game: Game, step: int, seed: int = 1) -> GameRound:
    return game.draw(step, Cloud(), Streams(seed, CPU))


def warmed(game: Game, rounds: int = 3, seed: int = 1) -> GameState:
    """A state whose terms remember something."""
    state = steep(game.init(seed))
    for step in range(rounds):
        state, _ = game.play(state, drawn(game, step, seed))
    return state


def params(state: GameState) -> tuple[Params, Params]:
    return state.generator.params, state.critic.params


def without_terms(state: GameState) -> GameState:
    return GameState(state.generator._replace(terms=()), state.critic._replace(terms=()), state.step)


def assert_close(a: Any, b: Any, tolerance: float = 0.0) -> None:
    for x, y in zip(tree_leaves(a), tree_leaves(b), strict=True):
        torch.testing.assert_close(x, y, rtol=tolerance, atol=tolerance)


def test_there_are_terms() -> None:
    assert {"consensus", "dragan", "ema", "feature_matching", "historical_averaging"} <= set(NAMES)
    assert {"lecam", "r1", "r2", "wgan_gp"} <= set(NAMES)


@each
def test_every_argument_stands_in_the_yaml(case: Case) -> None:
    found = node(case.name)
    assert "every" in found
    assert all(isinstance(term, Term) and term.every == 1 for term in made(case.name))
    assert all(term.every == 4 for term in made(case.name, every=4, **case.options))
    with pytest.raises(Exception, match="every must be at least 1"):
        made(case.name, every=0, **case.options)


@each
def test_weight_zero_is_the_unit(case: Case) -> None:
    game, plain = game_of(made(case.name, scale=0.0, **case.options)), game_of()
    state = warmed(game)
    played, _ = game.play(state, drawn(game, 3))
    other, _ = plain.play(without_terms(state), drawn(plain, 3))
    assert_close(params(played), params(other), 1e-12)


@each
@pytest.mark.parametrize("side", ["generator", "critic"])
def test_the_gradient_is_that_of_the_logged_loss(case: Case, side: str) -> None:
    """What SGD of rate 1 follows, against central differences of fourth order of the player's loss."""
    terms = made(case.name, **case.options)
    state, game = warmed(game_of(terms)), replace(game_of(terms, lr=1.0), order=Simultaneous())
    batches, player = drawn(game, 3), getattr(state, side)
    torch.manual_seed(0)
    direction = {k: torch.randn_like(p) for k, p in player.params.items()}

    def along(t: float) -> torch.Tensor:
        moved = player._replace(params={k: p + t * direction[k] for k, p in player.params.items()})
        return game.play(state._replace(**{side: moved}), batches)[1][side].loss

    parts = game.play(state, batches)[1][side].parts
    assert all(value > 0 for name, value in parts.items() if name != "main")
    h = 1e-4
    numeric = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
    after = getattr(game.play(state, batches)[0], side).params
    exact = torch.stack([((p - after[k]) * direction[k]).sum() for k, p in player.params.items()]).sum()
    torch.testing.assert_close(exact, numeric, rtol=1e-7, atol=1e-9)


@each
def test_both_calculi_and_an_ensemble_give_the_same_numbers(case: Case) -> None:
    terms = made(case.name, **case.options)
    games = [game_of(terms, calculus=calculus) for calculus in (eager, functional)]
    seeds = (0, 1)

    def stack(*trees: Any) -> Any:
        return tree_map(lambda *x: torch.stack(x), *trees)

    states = stack(*(steep(games[1].init(seed)) for seed in seeds))
    for step in range(4):
        rounds = stack(*(drawn(games[1], step, seed) for seed in seeds))
        states, _ = torch.vmap(games[1].play)(states, rounds)
    for i, seed in enumerate(seeds):
        member = tree_map(lambda x, i=i: x[i], states)
        for game in games:
            assert_close(warmed(game, 4, seed), member, 1e-9)


@each
def test_it_rests_but_for_every_third_round(case: Case) -> None:
    lazy, strong, plain = (
        game_of(terms)
        for terms in (
            made(case.name, every=3, **case.options),
            made(case.name, scale=3.0, **case.options),
            (),
        )
    )
    state = warmed(lazy)
    for step in (3, 4, 5):
        after, traces = lazy.play(state, drawn(lazy, step))
        rested, _ = plain.play(without_terms(state), drawn(plain, step))
        if step < 5:
            assert_close(params(after), params(rested))  # bitwise
            assert {name for trace in traces.values() for name in trace.parts} == {"main"}
        else:
            acted, _ = strong.play(state, drawn(strong, step))
            assert_close(params(after), params(acted), 1e-12)
            silent = case.name == "ema"
            assert silent == all(map(torch.equal, tree_leaves(params(after)), tree_leaves(params(rested))))
        state = after


@each
@pytest.mark.parametrize("calculus", [eager, functional])
def test_a_critic_without_slope_leaves_all_numbers_finite(case: Case, calculus: Any) -> None:
    refused = case.name == "consensus"  # together with unrolling
    terms = made(case.name, **case.options)
    game = game_of(terms, calculus=calculus, unroll=0 if refused else 1, critic_steps=2)
    state = game.init(0)
    flat = {k: torch.zeros_like(p) for k, p in state.critic.params.items()}
    played = game.play(state._replace(critic=state.critic._replace(params=flat)), drawn(game, 0))
    assert all(x.isfinite().all() for x in tree_leaves(played))
