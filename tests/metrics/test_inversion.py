"""Reconstruction by the nearest latent: closed forms, SciPy's L-BFGS-B, and what must not depend on the
batch."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import minimize, rosen, rosen_der
from torch import Tensor, nn

from gan_cli.metrics.inversion import invert, minimise


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def small_net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 12), nn.Tanh(), nn.Unflatten(1, (3, 4))
    ).double()


def test_a_linear_generator_gives_the_least_squares_solution() -> None:
    weight, offset, x = normal(20, 6), normal(20, seed=1), normal(9, 20, seed=2)
    found = invert(lambda z: z @ weight.T + offset, x, normal(9, 2, 6, seed=3), 200, tolerance=0)
    exact = torch.linalg.lstsq(weight, (x - offset).T).solution.T
    torch.testing.assert_close(found.latents, exact, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found.images, exact @ weight.T + offset, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found.errors, (found.images - x).square().mean(1))


def test_a_quadratic_of_condition_one_million() -> None:
    curvature, centre = torch.logspace(-3, 3, 8, dtype=torch.float64), normal(5, 8)

    def function(x: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        away = x - centre[row]
        return 0.5 * (curvature * away.square()).sum(1), curvature * away

    found = minimise(function, torch.zeros(5, 8, dtype=torch.float64), evaluations=300, tolerance=0)
    torch.testing.assert_close(found.point, centre, rtol=0, atol=1e-5)


def test_the_valley_of_rosenbrock_takes_no_more_evaluations_than_scipy_by_half() -> None:
    starts = normal(6, 5)

    def function(x: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        values, slopes = ([f(p) for p in x.numpy()] for f in (rosen, rosen_der))
        return torch.tensor(values), torch.tensor(np.array(slopes))

    theirs = [minimize(rosen, s, jac=rosen_der, method="L-BFGS-B", tol=1e-12) for s in starts.numpy()]
    allowed = int(1.5 * max(result.nfev for result in theirs))
    ours = minimise(function, starts, evaluations=allowed, tolerance=0).value
    # From far off the valley has a second end, of another minimum, of five dimensions: -1, 1, 1, 1, 1.
    assert all(value < 1e-8 or abs(value - 3.9308) < 1e-3 for value in ours.tolist())
    assert sum(ours < 1e-8) >= sum(result.fun < 1e-8 for result in theirs) - 1


def test_as_low_as_scipy_on_every_image_of_a_network() -> None:
    net, restarts = small_net(), 3
    x, starts = 0.8 * normal(16, 3, 4, seed=5), normal(16, restarts, 4, seed=6)
    ours = invert(net, x, starts, evaluations=400, tolerance=1e-12)
    theirs = torch.zeros(16, restarts, dtype=torch.float64)
    for image in range(16):
        for restart in range(restarts):

            def function(z: np.ndarray, image: int = image) -> tuple[float, np.ndarray]:
                latent = torch.tensor(z)[None].requires_grad_()
                error = (net(latent)[0] - x[image]).square().mean()
                return error.item(), torch.autograd.grad(error, latent)[0][0].numpy()

            start = starts[image, restart].numpy()
            options = {"maxiter": 1000, "maxfun": 2000, "ftol": 1e-13, "gtol": 1e-9}
            result = minimize(function, start, jac=True, method="L-BFGS-B", options=options)
            theirs[image, restart] = result.fun
    # From one start the two may end in different valleys; over all of them neither is better.
    assert (ours.restarts - theirs).abs().le(1e-5).double().mean() > 0.7
    assert (ours.errors <= theirs.min(1).values + 1e-5).double().mean() >= 0.8
    assert ours.errors.mean() <= theirs.min(1).values.mean() * 1.02


def test_what_the_generator_can_make_is_found() -> None:
    net = small_net()
    with torch.no_grad():
        x = net(0.5 * normal(8, 4, seed=7))
    assert invert(net, x, normal(8, 6, 4, seed=8), 500, tolerance=0).errors.max() < 1e-10


def test_restarts_never_make_it_worse_and_the_best_is_kept() -> None:
    net, x, starts = small_net(), normal(10, 3, 4, seed=9), normal(10, 5, 4, seed=10)
    few, many = (invert(net, x, starts[:, :restarts], 60) for restarts in (1, 5))
    torch.testing.assert_close(many.restarts[:, :1], few.restarts)
    assert (many.errors <= few.errors + 1e-12).all()
    assert (many.errors < few.errors - 1e-4).any()
    assert torch.equal(many.errors, many.restarts.min(1).values)


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_an_image_does_not_see_its_neighbours(at_once: int) -> None:
    net, x, starts = small_net(), normal(6, 3, 4, seed=11), normal(6, 2, 4, seed=12)
    together = invert(net, x, starts, 80, at_once=at_once)
    for image in range(6):
        alone = invert(net, x[image : image + 1], starts[image : image + 1], 80)
        torch.testing.assert_close(alone.latents[0], together.latents[image], rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(alone.errors[0], together.errors[image], rtol=1e-9, atol=0)
    again = invert(net, x, starts, 80, at_once=at_once)
    assert all(torch.equal(a, b) for a, b in zip(together, again, strict=True))


def test_values_that_are_not_finite_are_stepped_back_from() -> None:
    """The root of a negative number: the first step of 1 leaves the domain, and one start lies outside it."""

    def generate(z: Tensor) -> Tensor:
        return z.sqrt()

    x = torch.full((3, 1), 0.1, dtype=torch.float64)
    starts = torch.tensor([[0.5, -1.0], [4.0, 2.0], [-2.0, -3.0]], dtype=torch.float64)[..., None]
    found = invert(generate, x, starts, 100, tolerance=0)
    exact = torch.full((2, 1), 0.01, dtype=torch.float64)
    torch.testing.assert_close(found.latents[:2], exact, rtol=0, atol=1e-6)
    assert found.errors[:2].max() < 1e-12
    assert found.restarts[0, 1].isnan()
    assert not found.errors[2].isfinite()


def test_never_worse_than_the_start_whenever_it_ends() -> None:
    net, x, starts = small_net(), normal(10, 3, 4, seed=13), normal(10, 1, 4, seed=14)
    with torch.no_grad():
        at_start = (net(starts[:, 0]) - x).square().flatten(1).mean(1)
    errors = [invert(net, x, starts, evaluations).errors for evaluations in (1, 2, 5, 20, 80)]
    torch.testing.assert_close(errors[0], at_start)
    for earlier, later in pairwise(errors):
        assert (later <= earlier).all()
    assert (errors[-1] < 0.9 * at_start).all()


def test_parameters_and_inputs_are_left_alone() -> None:
    net, x, starts = small_net(), normal(4, 3, 4), normal(4, 2, 4)
    before = [p.clone() for p in (*net.parameters(), x, starts)]
    found = invert(net, x, starts, 10)
    assert all(torch.equal(a, b) for a, b in zip(before, (*net.parameters(), x, starts), strict=True))
    assert all(p.grad is None for p in net.parameters())
    assert not any(part.requires_grad for part in found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"evaluations": 0}, "evaluations must be at least 1"),
        ({"history": 0}, "history must be at least 1"),
        ({"tolerance": -1.0}, "tolerance must be at least 0"),
        ({"at_once": 0}, "at_once must be at least 1"),
    ],
)
def test_what_cannot_be_is_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        invert(lambda z: z, torch.zeros(1, 2), torch.zeros(1, 1, 2), **arguments)  # type: ignore[arg-type]
