"""Variational autoencoders against torch.distributions, quadrature and probabilistic PCA."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, distributions, nn

from gan_cli.densities import vae as module
from gan_cli.densities.vae import VAE, VariationalAutoencoder, kl_to_prior


def seeded(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def normal(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(size, generator=seeded(seed), dtype=torch.float64)


def small(**options: Any) -> VAE:
    torch.manual_seed(0)
    given: dict[str, Any] = {"shape": (5,), "latent": 2, "hidden": [7], "activation": "softplus"} | options
    return VAE(**given).double()


def affine(network: nn.Module, number: int) -> nn.Linear:
    layer = list(network.children())[number]
    assert isinstance(layer, nn.Linear)
    return layer


def pca() -> tuple[VAE, distributions.MultivariateNormal]:
    """Probabilistic PCA, x = Wz + m + σε, with the true posterior as encoder, and its law of x.

    W has orthogonal columns, so that the posterior N(M⁻¹Wᵀ(x − m), σ²M⁻¹), M = WᵀW + σ²I, has a diagonal
    covariance (Tipping & Bishop 1999, Eq. 7).
    """
    loadings = torch.linalg.qr(normal(4, 2))[0] * torch.tensor([1.5, 0.6], dtype=torch.float64)
    centre, sigma = normal(4, seed=1), 0.7
    model = small(shape=(4,), hidden=[], decoder="gaussian", covariance="fixed", sigma=sigma)
    inner = loadings.square().sum(0) + sigma**2
    with torch.no_grad():
        affine(model.decoder, 0).weight.copy_(loadings)
        affine(model.decoder, 0).bias.copy_(centre)
        mean = loadings.T / inner[:, None]
        affine(model.encoder, 0).weight.copy_(torch.cat([mean, torch.zeros(2, 4)]))
        affine(model.encoder, 0).bias.copy_(torch.cat([-mean @ centre, (sigma**2 / inner).log()]))
    covariance = loadings @ loadings.T + sigma**2 * torch.eye(4)
    return model, distributions.MultivariateNormal(centre, covariance)


def quadrature(model: VariationalAutoencoder, x: Tensor, *label: Tensor) -> Tensor:
    """ln ∫ p(x|z) N(z; 0, 1) dz of a single latent by the trapezoid rule, which is exact to 1e-12 here."""
    z = torch.linspace(-12, 12, 2001, dtype=torch.float64)
    noise = z[None, :, None].expand(len(x), -1, -1)
    logs = model.log_conditional(x, noise, *label) + distributions.Normal(0.0, 1.0).log_prob(z)
    return torch.logsumexp(logs, 1) + math.log(24 / 2000)


def test_kl_is_that_of_two_gaussians() -> None:
    mean, log_variance = normal(6, 3), normal(6, 3, seed=1)
    posterior = distributions.Normal(mean, (0.5 * log_variance).exp())
    expected = distributions.kl_divergence(posterior, distributions.Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl_to_prior(mean, log_variance), expected)
    assert kl_to_prior(torch.zeros(1, 3), torch.zeros(1, 3)).item() == 0


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("decoder", ["bernoulli", "gaussian"])
def test_weights_are_joint_over_posterior(decoder: Any, classes: int) -> None:
    model = small(decoder=decoder, classes=classes)
    x, noise = normal(4, 5).sigmoid().round(), normal(4, 6, 2, seed=1)
    label = (torch.eye(3, dtype=torch.float64)[[0, 2, 1, 1]],) if classes else ()
    mean, log_variance = model.encode(x, *label)
    posterior = distributions.Normal(mean[:, None], (0.5 * log_variance).exp()[:, None])
    z = posterior.loc + posterior.scale * noise
    told = [y[:, None].expand(-1, 6, -1) for y in label]
    given = model.decode(torch.cat([z, *told], 2))
    law: Any = distributions.Bernoulli(logits=given[0])
    if decoder == "gaussian":
        law = distributions.Normal(given[0], given[1])
    prior = distributions.Normal(0.0, 1.0).log_prob(z).sum(2)
    expected = law.log_prob(x[:, None]).sum(2) + prior - posterior.log_prob(z).sum(2)
    torch.testing.assert_close(model.log_weights(x, noise, *label), expected)
    one = model.log_conditional(x, z[:, 0], *label)
    torch.testing.assert_close(one, model.log_conditional(x, z, *label)[:, 0])
    latent = torch.cat([z[:, 0], *label], 1)
    torch.testing.assert_close(model.generate(latent), law.mean[:, 0])


def test_probabilistic_pca_is_exact_at_the_true_posterior() -> None:
    model, law = pca()
    x = law.sample((5,))
    weights = model.log_weights(x, normal(5, 8, 2))
    torch.testing.assert_close(weights, law.log_prob(x)[:, None].expand(-1, 8), atol=1e-6, rtol=0)
    found = model.log_likelihood(x, (), seeded(), 3)
    torch.testing.assert_close(found, law.log_prob(x), atol=1e-6, rtol=0)


def test_importance_sampling_of_probabilistic_pca_converges() -> None:
    model, law = pca()
    with torch.no_grad():  # another encoder: off centre and too wide
        affine(model.encoder, 0).bias.add_(torch.tensor([0.3, -0.2, 0.4, 0.5], dtype=torch.float64))
    x = law.sample((40,))
    exact, samples = law.log_prob(x), 4000
    found = model.log_likelihood(x, (), seeded(1), samples)
    ratios = (model.log_weights(x, normal(40, samples, 2, seed=2)) - exact[:, None]).exp()
    error = ratios.std(1) / math.sqrt(samples)  # of ln p̂(x), by the delta method
    scores = (found - exact) / error
    assert scores.abs().max() < 4.5
    assert 0.6 < scores.square().mean() < 1.6
    assert (model.log_weights(x, normal(40, 50, 2, seed=3)).mean() - exact.mean()) < -0.1  # the ELBO is loose


@pytest.mark.parametrize("classes", [0, 2])
def test_probabilities_of_all_inputs_sum_to_one(classes: int) -> None:
    model = small(shape=(4,), latent=1, classes=classes)
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.mul_(3)
        affine(model.encoder, -1).bias[1] += 0.7  # wider than the posterior, so that no weight is large
    x = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4)), dtype=torch.float64)
    rows = torch.eye(classes, dtype=torch.float64)
    labels: list[tuple[Tensor, ...]] = [(row.expand(16, -1),) for row in rows] or [()]
    exact = torch.stack([quadrature(model, x, *label) for label in labels]).exp().mean(0)
    assert float(exact.detach().sum()) == pytest.approx(1, abs=1e-9)
    found = model.log_likelihood(x, (), seeded(), 20000).exp()
    torch.testing.assert_close(found, exact, atol=0, rtol=0.03)
    assert float(found.sum()) == pytest.approx(1, abs=0.005)


@pytest.mark.parametrize("classes", [0, 2])
def test_parts_do_not_change_the_likelihood(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small(classes=classes)
    x = normal(11, 5).sigmoid().round()
    whole = model.log_likelihood(x, (), seeded(), 50)
    assert torch.isfinite(whole).all()
    for at_once in (1, 100, 500):
        monkeypatch.setattr(module, "AT_ONCE", at_once)
        torch.testing.assert_close(model.log_likelihood(x, (), seeded(), 50), whole)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    model, most = small(), 0
    write = model.write

    def watched(latent: Tensor) -> Tensor:
        nonlocal most
        most = max(most, len(latent) * 5)
        return write(latent)

    monkeypatch.setattr(module, "AT_ONCE", 300)
    monkeypatch.setattr(model, "write", watched)
    model.log_likelihood(normal(40, 5).sigmoid().round(), (), seeded(), 100)
    assert 100 < most <= 300


@pytest.mark.parametrize("classes", [0, 2])
def test_exhibits(classes: int) -> None:
    torch.manual_seed(0)
    model = VAE((1, 3, 4), latent=2, hidden=[6], classes=classes)
    x = torch.rand(23, 1, 3, 4, generator=seeded())
    shown = model.exhibits(x, seeded())
    pairs, columns = shown["reconstructions"]
    assert (pairs.shape, columns) == ((40, 1, 3, 4), 10)
    assert torch.equal(pairs[:10], x[:10])
    assert torch.equal(pairs[20:30], x[10:20])
    if classes == 0:
        torch.testing.assert_close(pairs[30:], model.generate(model.encode(x[10:20])[0]))
    names = ["manifold_0", "manifold_1"] if classes else ["manifold"]
    assert set(shown) == {"reconstructions", *names}
    for number, name in enumerate(names):
        label = torch.eye(2)[number : number + 1] if classes else torch.empty(1, 0)
        grid, side = shown[name]
        assert (len(grid), side) == (400, 20)
        z = distributions.Normal(0.0, 1.0).icdf(torch.tensor([[0.025, 0.975], [0.975, 0.025]]))
        corners = model.generate(torch.cat([z, label.expand(2, -1)], 1))  # top left, bottom right
        torch.testing.assert_close(grid[[0, -1]], corners, atol=1e-5, rtol=0)
    few = VAE((1, 3, 4), latent=3).exhibits(x[:4], seeded())
    assert {name: (len(sheet.images), sheet.columns) for name, sheet in few.items()} == {
        "reconstructions": (8, 4)
    }


def test_a_reconstruction_is_under_the_best_label() -> None:
    model = small(shape=(1, 1, 5), classes=2)
    with torch.no_grad():  # label 0 decodes to zeros, label 1 to ones
        first, last = affine(model.decoder, 0), affine(model.decoder, 2)
        first.weight.zero_()
        first.weight[:, 3] = 20.0
        last.weight.fill_(1.0)
        last.bias.fill_(-50.0)
    x = torch.tensor([[0.0] * 5, [1.0] * 5], dtype=torch.float64).view(2, 1, 1, 5)
    pairs = model.exhibits(x, seeded())["reconstructions"].images
    torch.testing.assert_close(pairs[2:], x, atol=1e-6, rtol=0)


def test_kinds() -> None:
    assert VAE((5,)).binary
    assert not VAE((5,), decoder="gaussian").binary
    assert VAE.likelihood == "bound"
    assert small(classes=3).prior.draw(seeded(), 7).shape == (7, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latent": 0}, "latent must be at least 1, got 0"),
        ({"classes": -1}, "classes must be at least 0, got -1"),
        ({"hidden": [4, 0]}, r"hidden\[1\] must be at least 1, got 0"),
        ({"decoder": "poisson"}, "decoder must be one of bernoulli, gaussian, got 'poisson'"),
        (
            {"decoder": "gaussian", "covariance": "full"},
            "covariance must be one of fixed, spherical, diagonal",
        ),
        ({"decoder": "gaussian", "sigma": 0.001}, "sigma must be above 0.001 and finite, got 0.001"),
        ({"decoder": "gaussian", "sigma": math.nan}, "sigma must be above 0.001"),
    ],
)
def test_refusals(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VAE((5,), **options)
