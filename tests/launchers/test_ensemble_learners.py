"""Learners other than a plain game side by side in one process: each is what it is alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.launchers.test_ensemble import SIDE_BY_SIDE, gan_train, lines, tensors
from tests.test_combinations import of_density

QUIET = ["log_every=10", "sample_every=0", "evaluate_every=0", "runtime.precision=fp64", "steps=50"]
IMAGES = ["data=fake", "data.size=16", "data.count=40", "batch_size=6", "device=cpu"]
LEARNERS = {
    "vae": [*of_density("vae", "binary"), "data.binarize=stochastic", "model.condition=concat"],
    "chains": [*of_density("rbm", "binary"), "loss=pcd", "trick=[ema]"],
    "pyramid": [*IMAGES, "model=lapgan", "model.width=4", "+loss@model.levels.16.loss=hinge"],
    "classes": [*IMAGES, "model=dcgan", "model.width=4", "model.condition=projection"],
}


@pytest.mark.parametrize("case", LEARNERS)
def test_a_job_is_what_it_is_alone(case: str, tmp_path: Path) -> None:
    words = [*LEARNERS[case], *QUIET]
    ended = gan_train(tmp_path, *SIDE_BY_SIDE, *words, "seed=0,1", "hydra.sweep.dir=all")
    assert "runs by itself" not in ended.stdout + ended.stderr
    gan_train(tmp_path, *words, "seed=1", "hydra.run.dir=alone")
    alone, member = tmp_path / "alone", tmp_path / "all/1"
    for one, other in zip(lines(alone), lines(member), strict=True):
        assert one == pytest.approx(other, rel=1e-6, abs=1e-8)
    here, there = tensors(alone), tensors(member)
    assert here.keys() == there.keys()
    for name, tensor in here.items():
        torch.testing.assert_close(tensor, there[name], rtol=1e-6, atol=1e-8)
