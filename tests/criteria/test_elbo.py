"""The evidence lower bound and the importance-weighted one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, distributions, nn
from torch.func import functional_call, grad_and_value, vmap

from gan_cli.criteria.base import Criterion, Value
from gan_cli.criteria.elbo import ELBO
from gan_cli.criteria.iwae import IWAE
from gan_cli.densities.base import Density
from gan_cli.densities.nade import NADE
from gan_cli.densities.rbm import RBM
from gan_cli.densities.vae import VAE, VariationalAutoencoder
from gan_cli.densities.vae_conv import ConvVAE

CRITERIA = [ELBO(), ELBO(beta=0.3), IWAE(samples=1), IWAE(samples=6)]
MODELS: dict[str, Callable[[], VariationalAutoencoder]] = {
    "bernoulli": lambda: VAE((5,), latent=2, hidden=[4]),
    "gaussian": lambda: VAE((5,), latent=2, hidden=[4, 3], decoder="gaussian", covariance="diagonal"),
    "conditional": lambda: VAE((5,), latent=2, hidden=[4], classes=3),
    "convolutions": lambda: ConvVAE((1, 8, 8), latent=2, width=2, activation="tanh", classes=3),
}


class Methods(nn.Module):
    """A module whose call is one of a model's methods."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, method: str, *arguments: Tensor) -> Any:
        return getattr(self.model, method)(*arguments)


def seeded(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def value(
    criterion: Criterion, model: nn.Module, params: dict[str, Tensor], x: Tensor, label: Any, noise: Any
) -> Value:
    def call(method: str, *arguments: Tensor) -> Any:
        named = {f"model.{name}": tensor for name, tensor in params.items()}
        return functional_call(Methods(model), named, (method, *arguments))

    return criterion.value(call, x, label, (), noise)


def case(name: str) -> tuple[VariationalAutoencoder, dict[str, Tensor], Tensor, tuple[Tensor, ...]]:
    torch.manual_seed(0)
    model = MODELS[name]().double()
    x = torch.rand((6, *model.shape), generator=seeded(1), dtype=torch.float64).round()
    label = torch.eye(3, dtype=torch.float64)[[0, 1, 2, 1, 1, 0]]
    params = {key: p.detach() for key, p in model.named_parameters()}
    return model, params, x, (label,) if model.classes else ()


def drawn(criterion: Criterion, model: nn.Module, seed: int = 0, size: int = 6) -> Any:
    return criterion.draw(model, size, seeded(seed), torch.float64)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("criterion", CRITERIA, ids=repr)
def test_gradients_are_finite_differences(criterion: Criterion, name: str) -> None:
    model, params, x, label = case(name)
    noise = drawn(criterion, model)

    def loss(params: dict[str, Tensor]) -> Tensor:
        return value(criterion, model, params, x, label, noise).loss

    gradient, _ = grad_and_value(loss)(params)
    for number in range(3):
        direction = {
            k: torch.randn(p.shape, generator=seeded(number), dtype=p.dtype) for k, p in params.items()
        }
        slope = sum(float((gradient[k] * direction[k]).sum()) for k in params)
        step = 1e-5
        ahead, behind = (
            float(loss({k: p + sign * step * direction[k] for k, p in params.items()})) for sign in (1, -1)
        )
        assert slope == pytest.approx((ahead - behind) / (2 * step), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("criterion", CRITERIA, ids=repr)
def test_an_ensemble_is_each_alone(criterion: Criterion, name: str) -> None:
    model, params, x, label = case(name)
    runs = [{k: p + 0.1 * i for k, p in params.items()} for i in range(3)]
    noises = [drawn(criterion, model, seed) for seed in range(3)]

    def step(params: dict[str, Tensor], x: Tensor, label: Any, noise: Any) -> Any:
        def loss(params: dict[str, Tensor]) -> Any:
            found = value(criterion, model, params, x, label, noise)
            return found.loss, found.shown

        return torch.func.grad(loss, has_aux=True)(params)

    stacked = {k: torch.stack([run[k] for run in runs]) for k in params}
    xs = torch.stack([x.roll(i, 0) for i in range(3)])
    together = vmap(step, in_dims=(0, 0, None, 0))(stacked, xs, label, torch.stack(noises))
    for i, (run, noise) in enumerate(zip(runs, noises, strict=True)):
        alone = step(run, xs[i], label, noise)
        torch.testing.assert_close([{k: v[i] for k, v in part.items()} for part in together], list(alone))


def test_elbo_is_the_sampled_bound() -> None:
    model, params, x, _ = case("bernoulli")
    noise = drawn(ELBO(), model)
    found = value(ELBO(beta=0.5), model, params, x, (), noise)
    mean, log_variance = model.encode(x)
    posterior = distributions.Normal(mean, (0.5 * log_variance).exp())
    kl = distributions.kl_divergence(posterior, distributions.Normal(0.0, 1.0)).sum(1)
    (logits,) = model.decode(posterior.mean + posterior.stddev * noise)
    conditional = distributions.Bernoulli(logits=logits).log_prob(x).sum(1)
    torch.testing.assert_close(found.loss, (0.5 * kl - conditional).mean())
    torch.testing.assert_close(found.shown["reconstruction"], conditional.mean())
    torch.testing.assert_close(found.shown["kl"], kl.mean())
    torch.testing.assert_close(found.shown["elbo"], (conditional - kl).mean())


def test_beta_may_be_a_tensor_that_a_sweep_maps_over() -> None:
    model, params, x, _ = case("bernoulli")
    model, x, params = model.float(), x.float(), {k: p.float() for k, p in params.items()}
    noise = ELBO().draw(model, 6, seeded(), torch.float32)

    def loss(beta: Any) -> Tensor:
        return value(ELBO(beta=beta), model, params, x, (), noise).loss

    betas = torch.tensor([0.0, 1.0, 4.0], dtype=torch.float64)
    swept = vmap(loss)(betas)
    assert swept.dtype == torch.float32
    torch.testing.assert_close(swept, torch.stack([loss(float(beta)) for beta in betas]))


def test_one_importance_sample_is_the_elbo_in_expectation() -> None:
    model, params, x, _ = case("bernoulli")
    x = x[:1].expand(40000, -1)

    def losses(criterion: Criterion, seed: int) -> Tensor:
        noise = drawn(criterion, model, seed, len(x))
        each = [
            value(criterion, model, params, x[r], (), noise[r]).loss for r in torch.arange(40000).split(400)
        ]
        return torch.stack(each)

    sampled, analytic = losses(IWAE(samples=1), 1), losses(ELBO(), 2)
    error = (sampled.var() / 100 + analytic.var() / 100).sqrt()
    assert (sampled.mean() - analytic.mean()).abs() < 4 * error
    assert error < 0.02


def test_the_bound_rises_with_the_samples_towards_the_likelihood() -> None:
    model, params, x, _ = case("bernoulli")
    x = x[:1].expand(20000, -1)
    exact = float(model.log_likelihood(x[:1], (), seeded(), 200000))
    bounds = []
    for samples in (1, 2, 5, 20):
        noise = drawn(IWAE(samples), model, samples, len(x))
        bounds.append(-float(value(IWAE(samples), model, params, x, (), noise).loss))
    assert bounds == sorted(bounds)
    assert min(b - a for a, b in zip(bounds, [*bounds[1:], exact], strict=True)) > 0.002
    assert exact - bounds[-1] < 0.25 * (exact - bounds[0])


def test_the_gradient_weighs_the_samples() -> None:
    criterion, (model, params, x, _) = IWAE(samples=4), case("gaussian")
    noise = drawn(criterion, model)

    def loss(params: dict[str, Tensor]) -> Tensor:
        return value(criterion, model, params, x, (), noise).loss

    weights = model.log_weights(x, noise).softmax(1).detach()

    def weighted(params: dict[str, Tensor]) -> Tensor:
        log_weights = functional_call(
            Methods(model), {f"model.{k}": p for k, p in params.items()}, ("log_weights", x, noise)
        )
        return -torch.sum(weights * log_weights, 1).mean()

    torch.testing.assert_close(torch.func.grad(loss)(params), torch.func.grad(weighted)(params))
    effective = (1 / weights.square().sum(1)).mean()
    torch.testing.assert_close(
        value(criterion, model, params, x, (), noise).shown["effective_samples"], effective
    )
    bound = (model.log_weights(x, noise).exp().mean(1).log()).mean()
    torch.testing.assert_close(-loss(params), bound)


class Other(Density):
    """A density that is none of the built-in kinds."""

    def generate(self, latent: Tensor) -> Tensor:
        return latent

    def log_likelihood(self, x: Tensor, settled: Any, generator: torch.Generator, samples: int) -> Tensor:
        return x.sum(1)


@pytest.mark.parametrize("criterion", [ELBO(), IWAE()], ids=repr)
def test_models_that_are_no_autoencoders_are_refused(criterion: Criterion) -> None:
    criterion.check(VAE((5,)))
    others = ((Other(), ""), (NADE((5,)), ": use loss=nll"), (RBM(shape=(5,)), ": use loss=cd"))
    for other, use in others:
        said = f"^model must be an autoencoder \\(vae, vae_conv\\), got {type(other).__name__}{use}$"
        with pytest.raises(ValueError, match=said):
            criterion.check(other)


def test_refusals() -> None:
    for beta in (-1.0, math.nan):
        with pytest.raises(ValueError, match="beta must be at least 0"):
            ELBO(beta=beta)
    with pytest.raises(ValueError, match="samples must be at least 1, got 0"):
        IWAE(samples=0)
