"""The functions of logits far out, and the one conjugate without a formula."""

from __future__ import annotations

import torch
from scipy import special

from gan_cli.divergences.jeffreys import Jeffreys
from gan_cli.divergences.stable import expm1, log_softplus, minus_log1m_sigmoid_power, softplus
from tests.laws.cases import double, slope


def test_helpers_far_out() -> None:
    v = double(-700.0, -60.0, -25.0, -1.0, 0.0, 1.0, 25.0, 60.0, 700.0)
    torch.testing.assert_close(softplus(v), torch.logaddexp(v, torch.zeros_like(v)), rtol=1e-15, atol=0)
    torch.testing.assert_close(log_softplus(v), softplus(v).log(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(minus_log1m_sigmoid_power(v, 1.0), softplus(v), rtol=1e-12, atol=1e-12)
    near = torch.linspace(24.9, 25.1, 21, dtype=torch.float64)  # the two branches meet
    for power in (0.1, 3.0, 100.0):
        exact = -(-torch.expm1(power * torch.nn.functional.logsigmoid(near))).log()
        torch.testing.assert_close(minus_log1m_sigmoid_power(near, power), exact, rtol=1e-12, atol=0)


def test_slopes_keep_their_digits_in_float32() -> None:
    """First and second derivatives that fade like e^{-|v|} are right to 1e-5 of themselves."""
    v = torch.linspace(-60, 60, 61)
    for function, first, second in (
        (expm1, v.exp(), v.exp()),
        (softplus, v.sigmoid(), v.sigmoid() * (-v).sigmoid()),
    ):
        at = v.clone().requires_grad_()
        found = slope(function(at), at)
        torch.testing.assert_close(found, first, rtol=1e-5, atol=0)
        torch.testing.assert_close(slope(found, at), second, rtol=1e-5, atol=0)


def test_expm1_over_a_number() -> None:
    v = double(-60.0, -1.0, -1e-9, 0.0, 1e-9, 0.999, 1.0, 60.0)
    for over in (-3.0, 0.5, 2.0):
        torch.testing.assert_close(expm1(v, over), torch.expm1(v) / over, rtol=1e-14, atol=0)
    assert expm1(torch.tensor(89.0), 4.0).isfinite()  # e^89 alone is above float32


def test_jeffreys_conjugate_against_lambert_and_to_the_third_derivative() -> None:
    t = torch.linspace(-60, 60, 49, dtype=torch.float64).requires_grad_()
    value = Jeffreys().conjugate(t)
    near = t.detach().abs() <= 30
    w = torch.from_numpy(special.lambertw((1 - t.detach()[near]).exp().numpy()).real)
    torch.testing.assert_close(value[near], w + 1 / w + t.detach()[near] - 2, rtol=1e-10, atol=1e-10)
    y = -Jeffreys().log_ratio(t.detach())
    torch.testing.assert_close(y + y.exp(), 1 - t.detach(), rtol=1e-14, atol=1e-14)
    w = y.exp()
    first = slope(value, t)
    second = slope(first, t)
    for found, expected in [
        (first, 1 / w),
        (second, 1 / (w * (1 + w))),
        (slope(second, t), (1 + 2 * w) / (w * (1 + w) ** 3)),
    ]:
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)
    conjugate = Jeffreys().conjugate
    nested = torch.vmap(torch.func.grad(torch.func.grad(torch.func.grad(conjugate))))(t.detach())
    torch.testing.assert_close(nested, (1 + 2 * w) / (w * (1 + w) ** 3), rtol=1e-9, atol=0)
