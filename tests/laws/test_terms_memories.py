"""The terms that remember: what their memories hold after many moves, against plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from gan_cli.game import Game
from gan_cli.streams import Streams
from gan_cli.terms.base import Term
from gan_cli.terms.ema import EMA
from gan_cli.terms.historical_averaging import historical_averaging
from gan_cli.terms.lecam import Anchors, LeCam
from gan_cli.types import GameState, Params
from tests.games import CPU, Cloud, scene_of, small_game

ROUNDS = 12


def trained(*terms: Term, critic_steps: int = 1) -> tuple[Game, list[GameState], list[Any]]:
    """A game's states from the first on, and the traces between them."""
    game = small_game(terms=terms, critic_steps=critic_steps)
    streams, feed = Streams(0, CPU), Cloud()
    states, traces = [game.init(0)], []
    for step in range(ROUNDS):
        state, trace = game.play(states[-1], game.draw(step, feed, streams))
        states.append(state)
        traces.append(trace)
    return game, states, traces


@pytest.mark.parametrize("every", [1, 5])
def test_the_historical_mean_is_that_of_all_past_iterates(every: int) -> None:
    terms = historical_averaging(0.1, 0.2, every)
    _, states, traces = trained(*terms)
    for side in ("generator", "critic"):
        (memory,) = getattr(states[-1], side).terms
        assert memory.size == ROUNDS + 1
        for name, mean in memory.mean.items():
            iterates = np.stack([getattr(state, side).params[name].numpy() for state in states])
            np.testing.assert_allclose(mean.numpy(), iterates.mean(0), rtol=1e-12, atol=1e-15)
    acted = 9  # the tenth round, in which both act
    past = [state.critic.params for state in states[: acted + 1]]
    gaps = [past[-1][k] - torch.stack([p[k] for p in past]).mean(0) for k in past[-1]]
    expected = 0.2 * torch.stack([gap.square().sum() for gap in gaps]).sum()
    logged = traces[acted]["critic"].parts["historical_averaging"]
    torch.testing.assert_close(logged, expected, rtol=1e-12, atol=0)


def test_the_critics_mean_counts_each_of_its_moves() -> None:
    _, states, _ = trained(*historical_averaging(), critic_steps=3)
    assert states[-1].critic.terms[0].size == 3 * ROUNDS + 1
    assert states[-1].generator.terms[0].size == ROUNDS + 1


def test_a_player_with_weight_zero_has_no_mean() -> None:
    assert [term.side for term in historical_averaging(generator=0.0)] == ["critic"]
    assert historical_averaging(0.0, 0.0) == ()


def plain_average(states: list[GameState], kept: list[float]) -> Params:
    """θ̄ ← βθ̄ + (1−β)θ in floats, number by number."""
    average = {k: p.double().numpy().copy() for k, p in states[0].generator.params.items()}
    for state, beta in zip(states[1:], kept, strict=True):
        for k, p in state.generator.params.items():
            average[k] = beta * average[k] + (1 - beta) * p.numpy()
    return {k: torch.from_numpy(a) for k, a in average.items()}


def warmed_up(batch_size: int, half_life: float, warm_up: float) -> list[float]:
    """The schedule of the released code of StyleGAN2-ADA, counted in images."""
    kept, seen = [], 0
    for _ in range(ROUNDS):
        horizon = min(half_life, seen * warm_up)
        kept.append(0.5 ** (batch_size / max(horizon, 1e-8)))
        seen += batch_size
    return kept


@pytest.mark.parametrize(
    ("term", "kept"),
    [
        (EMA(8, decay=0.9, half_life_images=None, warm_up=None), [0.9] * ROUNDS),
        (EMA(8, half_life_images=40, warm_up=None), [0.5 ** (8 / 40)] * ROUNDS),
        (EMA(8, half_life_images=40, warm_up=0.6), warmed_up(8, 40, 0.6)),
        (EMA(8), warmed_up(8, 10_000, 0.05)),
        (EMA(8, decay=0.5, half_life_images=None, warm_up=1.0), [0.0, 0.5, *[0.5] * (ROUNDS - 2)]),
        (EMA(8, decay=0.9, half_life_images=None, warm_up=None, every=4), [1.0, 1.0, 1.0, 0.9**4] * 3),
        (EMA(8, half_life_images=40, warm_up=None, every=4), [1.0, 1.0, 1.0, 0.5 ** (32 / 40)] * 3),
    ],
)
def test_the_average_is_that_of_a_plain_loop(term: EMA, kept: list[float]) -> None:
    game, states, _ = trained(term)
    average = plain_average(states, kept)
    (memory,) = states[-1].generator.terms
    for k, a in term.average(memory).items():
        torch.testing.assert_close(a, average[k], rtol=1e-12, atol=1e-15)
    z = game.latents(torch.Generator().manual_seed(0), 5)
    sample = game.generator.network(average, {}, z, training=False)[0]
    torch.testing.assert_close(game.sample(states[-1], z), sample, rtol=1e-10, atol=1e-12)
    present = game.generator.network(states[-1].generator.params, {}, z, training=False)[0]
    assert not torch.allclose(sample, present, rtol=1e-6)


def test_a_constant_decay_is_torchs() -> None:
    _, states, _ = trained(EMA(8, decay=0.8, half_life_images=None, warm_up=None))
    average = [p.clone() for p in states[0].generator.params.values()]
    update = get_ema_multi_avg_fn(0.8)
    for state in states[1:]:
        update(average, list(state.generator.params.values()), torch.tensor(1))
    (memory,) = states[-1].generator.terms
    for ours, theirs in zip(memory.average.values(), average, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-13, atol=1e-15)


def test_the_half_life_is_one() -> None:
    """A generator that jumps from 0 to 1 is averaged to 1/2 after that many images."""
    term = EMA(10, half_life_images=200, warm_up=None)
    memory = term.init({"x": torch.zeros(2)})
    for _ in range(20):
        memory = term.update(memory, {"x": torch.ones(2)}, torch.zeros(0), torch.zeros(0))
    torch.testing.assert_close(memory.average["x"], torch.full((2,), 0.5))
    assert memory.average["x"].dtype == torch.float32


def scores(term: LeCam, memory: Anchors, real: Tensor, fake: Tensor) -> Tensor:
    return term.value(scene_of(lambda x: x[:, 0], real, fake), memory, ())


def test_the_anchors_of_lecam_by_hand() -> None:
    """Scores on real 1, 3 and fake −1, 2 with γ = ½: α_P = (¼·1 + ½·3)/¾ = 7/3, α_Q = (−¼ + 1)/¾ = 1."""
    term = LeCam(weight=2.0, decay=0.5)
    column = torch.tensor([[0.5], [1.5]], dtype=torch.float64)
    memory = term.init({"x": torch.zeros(1, dtype=torch.float64)})
    assert scores(term, memory, column, column) == 0  # no past, no anchors
    spread = torch.tensor([-0.5, 0.5], dtype=torch.float64)
    memory = term.update(memory, {}, 1 + spread, -1 + spread)
    memory = term.update(memory, {}, 3 + spread, 2 + spread)
    assert memory.real.item() == pytest.approx(7 / 3, rel=1e-14)
    assert memory.fake.item() == pytest.approx(1.0, rel=1e-14)
    real, fake = column + 2, column  # scores 2.5, 3.5 and 0.5, 1.5
    apart = (1.5**2 + 2.5**2) / 2 + ((7 / 3 - 0.5) ** 2 + (7 / 3 - 1.5) ** 2) / 2
    assert scores(term, memory, real, fake).item() == pytest.approx(2 * apart, rel=1e-13)


@pytest.mark.parametrize("every", [1, 5])
def test_the_anchors_are_debiased_means_of_all_past_scores(every: int) -> None:
    _, states, traces = trained(LeCam(decay=0.7, every=every))
    weights = 0.7 ** np.arange(ROUNDS)[::-1]
    (memory,) = states[-1].critic.terms
    for anchor, side in ((memory.real, "real"), (memory.fake, "fake")):
        seen = [getattr(trace["critic"], side).mean().item() for trace in traces]
        assert anchor.item() == pytest.approx(np.average(seen, weights=weights), rel=1e-12)
