"""The study of unrolling end to end, its measures by hand, and ensembles against runs alone."""

from __future__ import annotations

import copy
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus
from torch.utils._pytree import tree_leaves

from gan_cli.build import Experiment
from gan_cli.data.synthetic import Grid, Ring
from gan_cli.ensemble import Ensemble, stack, unstack
from gan_cli.errors import InputError
from gan_cli.observers.events import PATTERN, decode
from gan_cli.observers.plots import Frame
from gan_cli.streams import Streams
from gan_cli.studies import unrolled
from gan_cli.studies.ahead_figure import CELLS, heat
from gan_cli.studies.base import Desk, train
from gan_cli.studies.unrolled import HEADER, Unrolled
from gan_cli.transforms.adam import Adam
from gan_cli.transforms.sgd import SGD
from tests.dynamics.replay import generator_gradient, warmed
from tests.dynamics.replay import load_memory as _load_memory
from tests.games import CPU, Cloud, loss, small_game
from tests.test_combinations import built

SMALL = ["model.width=8", "model.latent=4", "batch_size=8", "steps=6", "device=cpu", "runtime.compile=off"]


@cache
def setting(*overrides: str) -> Experiment:
    return built(*overrides)


def desk(folder: Path, experiment: str = "unrolled_ring", said: list[str] | None = None) -> Desk:
    heard: list[str] = [] if said is None else said
    return Desk(folder, partial(setting, f"experiment={experiment}", *SMALL), say=heard.append)


@pytest.mark.parametrize("experiment", ["unrolled_ring", "unrolled_grid"])
def test_a_study_leaves_table_numbers_and_picture(experiment: str, tmp_path: Path) -> None:
    said: list[str] = []
    study = Unrolled(seeds=2, steps_ahead=(0, 1), measure_every=4, samples=50, columns=2)
    study.run(desk(tmp_path, experiment, said))
    rows = [line.split("|")[1:-1] for line in (tmp_path / "table.md").read_text().splitlines()]
    assert [cell.strip() for cell in rows[0]] == list(HEADER)
    assert [row[0].strip() for row in rows[2:]] == ["0", "1"]
    assert said[-1] == (tmp_path / "table.md").read_text()
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["1"]["steps"] == [0, 4, 6]
    assert np.asarray(results["1"]["modes"]).shape == (3, 2)
    assert [moment["step"] for moment in results["0"]["shown"]] == [0, 6]
    assert np.asarray(results["0"]["shown"][1]["samples"]).shape == (50, 2)
    ends = [np.asarray(results[k]["shown"][1]["samples"]) for k in ("0", "1")]
    assert np.isfinite(ends).all()
    assert not np.array_equal(ends[0], ends[1])
    assert (tmp_path / "unrolled.png").read_bytes().startswith(b"\x89PNG")


def test_curves_for_tensorboard_are_the_means_over_seeds(tmp_path: Path) -> None:
    Unrolled(seeds=2, steps_ahead=(0,), measure_every=3, samples=20, columns=1).run(desk(tmp_path))
    kept = json.loads((tmp_path / "results.json").read_text())["0"]
    (file,) = (tmp_path / "tensorboard" / "K=0").glob(PATTERN)
    seen = {(e.step, v.tag): v.simple_value for e, _ in decode(file.read_bytes()) for v in e.summary.value}
    for row, step in zip(kept["reverse_kl"], kept["steps"], strict=True):
        assert seen[step, "evaluation/reverse_kl"] == pytest.approx(statistics.fmean(row), rel=1e-6)
    (file,) = (tmp_path / "tensorboard" / "figure").glob(PATTERN)
    (image,) = [v.image for e, _ in decode(file.read_bytes()) for v in e.summary.value]
    assert image.encoded_image_string == (tmp_path / "unrolled.png").read_bytes()


def test_what_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[int] = []

    def counting(made: Experiment, seeds: Sequence[int], *rest: Any) -> dict[str, Any]:
        trained.append(made.game.unroll)
        if made.game.unroll == 1 and len(trained) == 2:
            raise KeyboardInterrupt
        return train(made, seeds, *rest)

    monkeypatch.setattr(unrolled, "train", counting)
    study = Unrolled(seeds=1, steps_ahead=(0, 1), measure_every=3, samples=20, columns=1)
    with pytest.raises(KeyboardInterrupt):
        study.run(desk(tmp_path))
    study.run(desk(tmp_path))
    assert trained == [0, 1, 1]
    first = (tmp_path / "unrolled.png").read_bytes(), (tmp_path / "table.md").read_text()
    study.run(desk(tmp_path))
    assert trained == [0, 1, 1]
    assert first == ((tmp_path / "unrolled.png").read_bytes(), (tmp_path / "table.md").read_text())


def test_a_collapsed_ring_by_hand() -> None:
    law = Ring().load()
    measured = unrolled._measured(law.modes[3].expand(40, 2), law)
    assert int(measured["modes"]) == 1
    assert measured["shares"].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
    assert float(measured["quality"]) == 1
    assert float(measured["reverse_kl"]) == pytest.approx(math.log(8))


def test_a_perfect_grid_and_points_between_the_modes() -> None:
    law = Grid().load()
    measured = unrolled._measured(law.modes.repeat(2, 1), law)
    assert int(measured["modes"]) == 25
    assert measured["shares"].tolist() == pytest.approx([1 / 25] * 25)
    assert float(measured["reverse_kl"]) == pytest.approx(0, abs=1e-6)
    between = unrolled._measured(law.modes + 0.2, law)
    assert int(between["modes"]) == 0
    assert float(between["quality"]) == 0


def test_a_row_of_the_table_by_hand() -> None:
    found = {
        "steps": [0, 100, 200, 300, 400],
        "modes": [[0, 0], [8, 1], [7, 1], [8, 1], [8, 3]],
        "quality": [[0.0, 0.0], [0.1, 0.0], [0.2, 0.0], [0.5, 0.2], [0.7, 0.4]],
        "reverse_kl": [[1.0, 1.0]] * 3 + [[0.2, 0.4]] * 2,
        "shares": [
            [[0.9, 0.1, 0.0], [0.9, 0.1, 0.0]],
            [[0.6, 0.4, 0.0], [0.1, 0.9, 0.0]],
            [[0.4, 0.3, 0.3], [0.5, 0.5, 0.0]],
            [[0.8, 0.1, 0.1], [0.0, 0.1, 0.9]],
            [[0.2, 0.3, 0.5], [0.1, 0.7, 0.2]],
        ],
        "all_modes": 8,
        "cpu_minutes": 1.26,
    }
    assert unrolled._row(found) == [
        "2", "5.5 ± 3.5", "5.0 ± 4.2", "55.0 ± 21.2", "45.0 ± 21.2", "0.300 ± 0.141", "100 (1/2)", "72 ± 11",
        "2 ± 2 of 4", "1.3",
    ]  # fmt: skip


def test_the_figure_shows_moments_that_were_measured() -> None:
    assert Unrolled(measure_every=100, columns=6)._moments(8000) == [1300, 2600, 4000, 5300, 6600, 8000]
    assert Unrolled(measure_every=100, columns=2)._moments(250) == [100, 250]


def test_a_heat_map_is_where_the_points_are() -> None:
    frame = Frame((-1.0, -1.0), (1.0, 1.0))
    points = np.array([[0.5, -0.25], [0.5, -0.25], [0.5, -0.25], [7.0, 7.0]])
    values = heat(points, frame)
    assert values.shape == (CELLS, CELLS)
    assert values.sum() == pytest.approx(0.75)
    row, column = np.unravel_index(values.argmax(), values.shape)
    assert (column + 0.5) * 2 / CELLS - 1 == pytest.approx(0.5, abs=2 / CELLS)
    assert (row + 0.5) * 2 / CELLS - 1 == pytest.approx(-0.25, abs=2 / CELLS)


@pytest.mark.parametrize("data", ["mixture1d", "digits"])
def test_other_data_are_refused(data: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="data=ring or data=grid"):
        unrolled._law(built(f"data={data}", *(["model=mlp"] if data == "mixture1d" else []), "device=cpu"))


@pytest.mark.parametrize(
    "options",
    [
        {"seeds": 0},
        {"steps_ahead": ()},
        {"steps_ahead": (0, -1)},
        {"steps_ahead": (1, 1)},
        {"measure_every": 0},
    ],
)
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(options))} must be"):
        Unrolled(**options)


@pytest.mark.parametrize("normed", [False, True], ids=["bare", "batchnorm"])
@pytest.mark.parametrize("unroll", [0, 3])
def test_an_ensemble_is_its_runs_alone(unroll: int, normed: bool) -> None:
    """In float64 for the first rounds: later, rounding is amplified as in any game."""
    options: dict[str, Any] = {"critic_transform": Adam(lr=0.01), "generator_transform": Adam(lr=0.01)}
    game = small_game("gan", unroll=unroll, normed=normed, **options)
    seeds = (3, 0, 8)
    feeds, streams = [Cloud(seed=s) for s in seeds], [Streams(s, CPU) for s in seeds]
    together = Ensemble(game)
    states, alone = together.init(seeds), [game.init(s) for s in seeds]
    for step in range(5):
        states, _ = together.play(states, together.draw(step, feeds, streams))
        for i in range(len(seeds)):
            alone[i], _ = game.play(alone[i], game.draw(step, feeds[i], streams[i]))
    for i, one in enumerate(alone):
        torch.testing.assert_close(tree_leaves(unstack(states, i)), tree_leaves(one), rtol=1e-8, atol=1e-10)
    latent = torch.randn(3, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    drawn = torch.stack([game.sample(one, z) for one, z in zip(alone, latent, strict=True)])
    torch.testing.assert_close(together.sample(states, latent), drawn, rtol=1e-8, atol=1e-10)
    assert (drawn[0] - drawn[1]).abs().max() > 1e-3


def test_unstack_undoes_stack() -> None:
    trees = [small_game().init(seed) for seed in (0, 1)]
    for i, tree in enumerate(trees):
        for x, y in zip(tree_leaves(unstack(stack(trees), i)), tree_leaves(tree), strict=True):
            assert torch.equal(x, y)


@pytest.mark.parametrize("name", ["gan", "wgan", "fgan_gan"])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_zero_sum_generator_descends_the_whole_value(steps: int, name: str) -> None:
    """f(θ_G, θ_D^K(θ_G)) with its part on real examples, by modules, torch.optim and central differences."""
    options = {"generator": "variational"} if name == "fgan_gan" else {}
    game = small_game(unroll=steps, critic_transform=Adam(lr=0.05, eps=1e-3), generator_transform=SGD(lr=1.0))
    game = replace(game, loss=loss(name, **options))
    state, batches = warmed(game)
    gradient, after = generator_gradient(game, state, batches)
    torch.manual_seed(0)
    direction = {k: torch.randn_like(p) for k, p in state.generator.params.items()}

    def value(t: float) -> Tensor:
        generator, critic = (copy.deepcopy(side.network.module) for side in (game.generator, game.critic))
        moved = {k: p + t * direction[k] for k, p in state.generator.params.items()}
        generator.load_state_dict(moved)
        critic.load_state_dict(after.critic.params)
        optimiser = torch.optim.Adam(critic.parameters(), lr=0.05, betas=(0.5, 0.999), eps=1e-3)
        _load_memory(optimiser, critic, after)
        real, fake = batches.generator.real.double(), generator(batches.generator.latent).detach()

        def lost() -> Tensor:
            on_real, on_fake = critic(real), critic(fake)
            if name == "wgan":
                return on_fake.mean() - on_real.mean()  # type: ignore[no-any-return]
            return softplus(-on_real).mean() + softplus(on_fake).mean()

        for _ in range(steps):
            optimiser.zero_grad()
            lost().backward()
            optimiser.step()
        return -lost().detach()

    h = 1e-4
    numeric = (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h)
    ours = sum((gradient[k] * d).sum() for k, d in direction.items())
    torch.testing.assert_close(ours, numeric, rtol=1e-6, atol=1e-9)
