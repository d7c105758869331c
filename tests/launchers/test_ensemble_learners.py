"""Learners other than a plain game side by side in one process: each is what it is alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gan_cli.launchers.ensemble_groups import alone, key
from gan_cli.run import run
from tests.launchers.test_ensemble import SIDE_BY_SIDE, gan_train, lines, tensors
from tests.launchers.test_ensemble_chunk import together
from tests.test_combinations import built, of_density

QUIET = ["log_every=10", "sample_every=0", "evaluate_every=0", "runtime.precision=fp64"]
IMAGES = ["data=fake", "data.size=16", "data.count=40", "batch_size=6", "device=cpu"]
LEARNERS = {
    "vae": [*of_density("vae", "binary"), "data.binarize=stochastic", "model.condition=concat"],
    "chains": [*of_density("rbm", "binary"), "loss=pcd", "trick=[ema]"],
    "pyramid": [*IMAGES, "model=lapgan", "model.width=4", "+loss@model.levels.16.loss=hinge"],
    "classes": [*IMAGES, "model=dcgan", "model.width=4", "model.condition=projection"],
}
MORE = {
    "importance": [*of_density("vae", "grey"), "loss=iwae", "loss.samples=3", "trick=[gradient_clipping]"],
    "convolutions": [*of_density("vae_conv", "binary"), "trick=[ema]"],
    "nade": [*of_density("nade", "binary"), "model.density.ordering=random", "trick=[historical_averaging]"],
    "made": [*of_density("made", "binary"), "model.density.masks=3", "trick=[ema]"],
    "from_the_data": [*of_density("rbm", "binary"), "loss=cd", "loss.steps=3", "loss.averaged=2"],
}


def assert_same(alone: Path, member: Path) -> None:
    for one, other in zip(lines(alone), lines(member), strict=True):
        assert one == pytest.approx(other, rel=1e-6, abs=1e-8)
    here, there = tensors(alone), tensors(member)
    assert here.keys() == there.keys()
    for name, tensor in here.items():
        torch.testing.assert_close(tensor, there[name], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("case", LEARNERS)
def test_a_job_is_what_it_is_alone(case: str, tmp_path: Path) -> None:
    words = [*LEARNERS[case], *QUIET, "steps=50"]
    ended = gan_train(tmp_path, *SIDE_BY_SIDE, *words, "seed=0,1", "hydra.sweep.dir=all")
    assert "runs by itself" not in ended.stdout + ended.stderr
    gan_train(tmp_path, *words, "seed=1", "hydra.run.dir=alone")
    assert_same(tmp_path / "alone", tmp_path / "all/1")


@pytest.mark.parametrize("case", LEARNERS | MORE)
def test_runs_of_one_ensemble_differ_in_seeds_and_rates_and_are_what_they_are_alone(
    case: str, tmp_path: Path
) -> None:
    words = [*(LEARNERS | MORE)[case], *QUIET, "steps=20"]
    varied = [["seed=0"], ["seed=1", "optimizer.generator.lr=0.02"]]
    made = [built(*words, *more) for more in varied]
    assert all(alone(dict(one.config), one) is None for one in made)
    one, other = (key(dict(one.config), one, None) for one in made)
    assert one == other
    together(made, tmp_path / "all", width=3)
    for number, member in enumerate(made):
        folder = tmp_path / f"alone{number}"
        folder.mkdir()
        assert run(member, folder) == (20, "done")
        assert_same(folder, tmp_path / "all" / str(number))
