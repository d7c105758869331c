"""The univariate table: the exact optimum, bounds by quadrature, and the study end to end."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.integrate import quad

from gan_cli.data.synthetic import Mixture1D
from gan_cli.errors import InputError, RunError
from gan_cli.losses.fgan import FGAN
from gan_cli.models.affine import Generator
from gan_cli.studies.optimum import Line, bound_of, divergence_of, optimum
from gan_cli.studies.univariate import PAPER, Univariate
from tests.games import loss
from tests.studies.desks import desk, left

LINE = Line.of(Mixture1D().load())
PUBLISHED = {  # D_f(P‖Q_θ*), μ*, σ* of the paper's table
    "kl": (0.2831, 1.0100, 1.8308),
    "rkl": (0.2480, 1.5782, 1.6319),
    "js": (0.1280, 1.3070, 1.7542),
    "jeffreys": (0.5705, 1.3218, 1.7034),
    "pearson": (0.6457, 0.5737, 1.9274),
}
SETTING = ["data=mixture1d", "model=univariate", "batch_size=16", "steps=6", "model.critic.width=4"]


def fgan(name: str) -> FGAN:
    made = loss(f"fgan_{name}")
    assert isinstance(made, FGAN)
    return made


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_exact_optimum_is_the_papers(name: str) -> None:
    divergence, (value, mean, std) = fgan(name).divergence, PUBLISHED[name]
    best = optimum(divergence, LINE)
    assert (best.value, best.mean) == pytest.approx((value, mean), abs=3.5e-4)
    assert best.std == pytest.approx(std, abs=8e-4)  # the minimum is flat: theirs is no nearer
    assert best.value <= divergence_of(divergence, LINE, mean, std) <= best.value + 1e-6


def test_the_quadrature_is_scipys() -> None:
    def p(x: float) -> float:
        return sum(
            w * math.exp(-((x - m) ** 2) / 2 / v) / math.sqrt(2 * math.pi * v)
            for w, m, v in ((0.33, -1.0, 0.065), (0.67, 2.0, 2.0))
        )

    def q(x: float) -> float:
        return math.exp(-((x - 1.1) ** 2) / 2 / 1.8**2) / math.sqrt(2 * math.pi) / 1.8

    exact = quad(lambda x: (p(x) - q(x)) ** 2 / q(x), -15, 17, points=[-1, 2], limit=500)[0]
    assert divergence_of(fgan("pearson").divergence, LINE, 1.1, 1.8) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_best_critics_bound_is_the_divergence_and_others_are_below(name: str) -> None:
    made, at = fgan(name), (0.8, 1.9)
    best = made.optimal_score(LINE.log_p - LINE.log_normal(*at))
    assert best is not None
    # A score far out, where neither law has mass, may be too large for the product with 0.
    best = best.clamp(-1e12, 1e12)
    value = divergence_of(made.divergence, LINE, *at)
    assert bound_of(made, LINE, best, *at) == pytest.approx(value, rel=1e-5)
    assert bound_of(made, LINE, best + 0.3 * torch.sin(LINE.x[:, 0]), *at) < value


def test_the_affine_generator_draws_from_its_normal_law() -> None:
    module = Generator(3, (2,), None, mean=1.0, std=2.0)
    with torch.no_grad():
        module.map.copy_(torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 0.5]]))
    x = module(torch.randn(200_000, 3, generator=torch.Generator().manual_seed(0))).detach()
    torch.testing.assert_close(x.mean(0), torch.ones(2), atol=0.02, rtol=0)
    torch.testing.assert_close(x.T.cov(), torch.tensor([[5.0, 1.0], [1.0, 1.25]]), atol=0.05, rtol=0)
    assert Generator(5, (1, 2, 2), (-1, 1))(torch.randn(4, 5)).abs().max() <= 1
    with pytest.raises(ValueError, match="std must be above 0"):
        Generator(1, (1,), None, std=0)


def test_the_study_leaves_its_table_and_figure(tmp_path: Path) -> None:
    Univariate(seeds=2, factors=(1.0, 0.1), average=0.5).run(desk(tmp_path, *SETTING))
    assert {"table.md", "results.json", "univariate.png"} == left(tmp_path)
    text = (tmp_path / "table.md").read_text()
    assert all(f"{paper.mean:.4f}" in text for paper in PAPER.values())
    found = json.loads((tmp_path / "results.json").read_text())
    assert len(found["kl"]["mean"]) == 2
    assert found["kl"]["steps"] == list(range(1, 7))
    # μ̂ is the mean over the last half of the rounds, of each seed.
    late = torch.tensor(found["js"]["means"])[-3:].mean(0)
    torch.testing.assert_close(torch.tensor(found["js"]["mean"]), late, atol=1e-6, rtol=0)


def test_what_the_study_refuses(tmp_path: Path) -> None:
    cases: list[dict[str, Any]] = [{"seeds": 0}, {"factors": ()}, {"factors": (0.0,)}, {"average": 0.0}]
    for bad in cases:
        with pytest.raises(ValueError, match="must be"):
            Univariate(**bad)
    with pytest.raises(InputError, match="model=univariate"):
        Univariate().run(desk(tmp_path, "data=ring", "model=mlp"))
    with pytest.raises(RunError, match="stopped"):
        Univariate(seeds=1).run(desk(tmp_path, *SETTING, stop=lambda: True))
