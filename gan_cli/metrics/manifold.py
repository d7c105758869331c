"""How much of the generated examples lies among the real ones, and how much of the real among them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gan_cli.metrics.blocks import nearest, squared_distances, tiles

_SLACK = 1 + 1e-9


class Manifold(NamedTuple):
    """precision, recall, coverage: [], in [0, 1]; density: [], ≥ 0 and about 1 for equal laws."""

    precision: Tensor
    recall: Tensor
    density: Tensor
    coverage: Tensor


def manifold(real: Tensor, fake: Tensor, k: int) -> Manifold:
    """Precision and recall, density and coverage by balls that reach to each example's k-th neighbour.

    With B(x) the closed ball around x to the k-th nearest other example of x's own set,

        precision = mean_j 1[fake_j ∈ some B(real_i)],    recall = mean_i 1[real_i ∈ some B(fake_j)],
        density = mean_j #{i: fake_j ∈ B(real_i)}/k,      coverage = mean_i 1[some fake_j ∈ B(real_i)]:

    Kynkäänniemi et al. 2019, Eqs. 1 and 2; Naeem et al. 2020, §3. Distances that agree to 1e-9 are equal.

    real: [N, F], fake: [M, F], more than k of either, else ValueError.
    """
    radii = [(nearest(x, x, k, others=True)[0][:, -1].square() * _SLACK) for x in (real, fake)]
    inside_real = torch.zeros(len(fake), dtype=torch.int64, device=fake.device)
    covered = torch.zeros(len(real), dtype=torch.bool, device=real.device)
    recalled = torch.zeros_like(covered)
    for rows, columns in tiles(len(real), len(fake)):
        squared = squared_distances(real[rows], fake[columns])
        around_real = squared <= radii[0][rows, None]
        inside_real[columns] += around_real.sum(0)
        covered[rows] |= around_real.any(1)
        recalled[rows] |= (squared <= radii[1][columns]).any(1)
    shares = (inside_real > 0, recalled, inside_real.double() / k, covered)
    return Manifold(*(share.double().mean() for share in shares))
