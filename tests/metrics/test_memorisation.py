"""The test for copying: planted copiers are caught, faultless generators as seldom as promised."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from scipy.stats import kstest, mannwhitneyu, norm
from sklearn.cluster import KMeans
from torch import Tensor

from gan_cli.data.digits import Digits
from gan_cli.metrics.blocks import nearest
from gan_cli.metrics.memorisation import Copying, copying, mann_whitney, partition, training_distance


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def run(
    fake: Tensor, unseen: Tensor, training: Tensor, cells: int = 1, seed: int = 0, relative: bool = False
) -> Copying:
    """The test from the examples themselves."""
    distances = [training_distance(x, training, relative) for x in (fake, unseen)]
    if cells == 1:
        return copying(distances[0], distances[1])
    centres = partition(training, cells, torch.Generator().manual_seed(seed))
    inside = [nearest(x, centres)[1][:, 0] for x in (fake, unseen)]
    return copying(distances[0], distances[1], (inside[0], inside[1]))


@pytest.mark.parametrize("levels", [None, 2, 5])
def test_the_rank_statistic_is_scipys(levels: int | None) -> None:
    """With ties and without: z is Φ⁻¹ of scipy's one-sided p-value without a correction for continuity."""
    a, b = randn(40), randn(55, seed=1) + 0.4
    if levels:
        a, b = ((x * levels / 2).round() for x in (a, b))
    theirs = mannwhitneyu(
        a.double(), b.double(), alternative="less", method="asymptotic", use_continuity=False
    )
    assert mann_whitney(a, b).item() == pytest.approx(norm.ppf(theirs.pvalue), rel=1e-6)
    assert mann_whitney(b, a).item() == pytest.approx(-norm.ppf(theirs.pvalue), rel=1e-6)


def test_relative_distances_are_those_of_a_tree() -> None:
    training, x = randn(80, 3), torch.cat([randn(30, 3, seed=1), randn(80, 3)[:5]])
    training = torch.cat([training, training[:2]])  # two of them twice
    tree = cKDTree(training.double().numpy())
    distance, index = tree.query(x.double().numpy())
    spacing = tree.query(training.double().numpy(), 2)[0][:, 1][index]
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.where(distance > 0, distance / spacing, 0)
    np.testing.assert_allclose(training_distance(x, training, relative=True), expected, rtol=1e-9)
    np.testing.assert_allclose(training_distance(x, training, relative=False), distance, rtol=1e-9)


def test_equal_distances_say_nothing() -> None:
    found = copying(torch.zeros(30), torch.zeros(40))
    assert (found.z.item(), found.p.item()) == (0, 0.5)


def test_cells_are_scikit_learns_from_the_same_start() -> None:
    x = torch.cat([randn(60, 2, seed=s) + 4 * s for s in range(4)])
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(2))
    start = x[order[:4]].double().numpy()
    theirs = KMeans(4, init=start, n_init=1, max_iter=20, tol=0, algorithm="lloyd").fit(x.double().numpy())
    ours = partition(x, 4, torch.Generator().manual_seed(2))
    np.testing.assert_allclose(ours, theirs.cluster_centers_, rtol=1e-9)
    with pytest.raises(ValueError, match="cells must be at most the 240 training examples, got 241"):
        partition(x, 241, torch.Generator())


def test_a_cell_without_examples_keeps_its_centre() -> None:
    assert torch.equal(partition(torch.ones(5, 2), 3, torch.Generator()), torch.ones(3, 2).double())


@pytest.mark.parametrize(("cells", "relative"), [(1, False), (6, False), (1, True), (6, True)])
def test_a_faultless_generator_is_accused_as_seldom_as_promised(cells: int, relative: bool) -> None:
    """z is standard normal: the false alarms have the nominal rates, and close is 1 % in the mean."""
    found = [
        run(
            randn(150, 2, seed=s),
            randn(150, 2, seed=1000 + s),
            randn(200, 2, seed=2000 + s),
            cells,
            s,
            relative,
        )
        for s in range(300)
    ]
    z = torch.stack([one.z for one in found]).numpy()
    p = torch.stack([one.p for one in found]).numpy()
    np.testing.assert_allclose(p, norm.cdf(z), rtol=1e-9)
    assert kstest(z, "norm").pvalue > 1e-3
    for level in (0.01, 0.05, 0.1):
        assert abs((p < level).mean() - level) < 3.5 * np.sqrt(level * (1 - level) / 300)
    close = np.mean([one.close.item() for one in found])
    assert close == pytest.approx(0.01, abs=0.006)


@pytest.mark.parametrize("cells", [1, 6])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_copier_of_points_is_caught(noise: float, cells: int) -> None:
    training = randn(200, 2)
    found = run(training[:150] + noise * randn(150, 2, seed=1), randn(150, 2, seed=2), training, cells)
    assert found.p < 1e-10
    assert found.close > 0.2


def test_a_few_copies_show_in_the_share_of_close_ones() -> None:
    training, fresh = randn(2000, 8), randn(1000, 8, seed=1)
    fresh[:100] = training[:100]
    found = run(fresh, randn(1000, 8, seed=2), training)
    assert found.p > 1e-4  # ranks hardly move
    assert found.close.item() == pytest.approx(0.11, abs=0.02)


def test_dense_regions_are_no_copies_in_relative_distances_or_within_cells() -> None:
    """A generator that knows one of two modes, the narrow one, is near the training set without copying
    it."""

    def law(n: int, seed: int, narrow: float) -> Tensor:
        wide = torch.rand(n, 1, generator=torch.Generator().manual_seed(seed)) >= narrow
        return torch.where(wide, 20 + 3 * randn(n, 2, seed=seed), 0.1 * randn(n, 2, seed=seed))

    training, unseen, fake = law(400, 1, 0.5), law(400, 2, 0.5), law(400, 3, 0.9)
    assert run(fake, unseen, training).p < 1e-6
    assert run(fake, unseen, training, cells=2).p > 0.01
    assert run(fake, unseen, training, relative=True).p > 0.01
    copies = torch.cat([training[:200], fake[:200]])
    assert run(copies, unseen, training, relative=True).p < 1e-6


def test_cells_with_few_examples_are_left_out() -> None:
    near, far = randn(30).abs(), randn(30, seed=1).abs() + 1
    cells = torch.arange(30) % 3  # ten in each
    joined = copying(near, far, (cells, cells))
    assert joined.z == mann_whitney(near, far)
    apart = copying(near, far, (cells, cells), least=10)
    parts = [mann_whitney(near[cells == c], far[cells == c]) for c in range(3)]
    assert apart.z.item() == pytest.approx(torch.stack(parts).sum().item() / 3**0.5)


@cache
def digits() -> tuple[Tensor, Tensor, Tensor]:
    """Training, unseen and fresh digits, dealt at random."""
    x = torch.from_numpy(np.asarray(Digits(size=8).load().images)).flatten(1) / 255
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    training, unseen, fresh = x[order].split([997, 400, 400])
    return training, unseen, fresh


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("cells", [1, 10])
def test_digits(cells: int, relative: bool) -> None:
    training, unseen, fresh = digits()
    control = run(fresh, unseen, training, cells, relative=relative)
    assert 1e-3 < control.p < 1 - 1e-3
    assert control.close < 0.06
    for noise in (0.0, 0.05):
        copies = training[:400] + noise * randn(400, 64)
        assert run(copies, unseen, training, cells, relative=relative).p < 1e-10
    blurred = run(fresh + 0.2 * randn(400, 64), unseen, training, cells, relative=relative)
    assert blurred.p > 0.999  # far from the training set is bad, but no copying


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="samples must be at least 1"):
        copying(torch.zeros(0), torch.zeros(3))
