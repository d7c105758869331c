"""The counter-based uniforms behind a chain."""

from __future__ import annotations

import torch
from scipy.stats import chi2, kstest
from torch import Tensor

from gan_cli.densities.hashing import Keys, keys, mixed, uniforms
from gan_cli.prior import Prior


def drawn(n: int = 200, sweeps: int = 20, width: int = 100) -> Tensor:
    """[n, sweeps, width]: the draws of n latents."""
    latent = Prior(8, "uniform").draw(torch.Generator().manual_seed(0), n)
    return torch.stack([uniforms(keys(latent), t, width, torch.float64) for t in range(sweeps)], 1)


def test_mixing_is_a_bijection_with_avalanche() -> None:
    """No two words share an image, and a flipped bit flips each bit of the image half of the time."""
    words = torch.randint(0, 2**32, (20_000,), generator=torch.Generator().manual_seed(0)).unique()
    images = mixed(words)
    assert len(images.unique()) == len(words)
    assert images.min() >= 0
    assert images.max() < 2**32
    bits = torch.arange(32)
    for bit in range(32):
        changed = ((mixed(words ^ (1 << bit)) ^ images)[:, None] >> bits) & 1
        assert (changed.double().mean(0) - 0.5).abs().max() < 0.03


def test_uniform() -> None:
    u = drawn()
    assert u.min() >= 0
    assert u.max() < 1
    assert kstest(u.flatten().numpy(), "uniform").pvalue > 1e-3
    for across in (u.mean((0, 1)), u.mean((0, 2)), u.mean((1, 2))):  # places, sweeps, latents
        size = u.numel() / len(across)
        assert float(((across - 0.5).square() * 12 * size).sum()) < chi2.ppf(1 - 1e-4, len(across))


def test_uncorrelated() -> None:
    """Between latents, sweeps and places, next and far: each correlation within 5 of its standard error."""
    u = drawn() - 0.5
    pairs = [
        (u.roll(lag, dim), f"{dim}/{lag}")
        for dim, lags in enumerate([(1, 7), (1, 3), (1, 50)])
        for lag in lags
    ]
    for other, name in pairs:
        correlation = 12 * (u * other).mean()
        assert abs(float(correlation)) < 5 / u.numel() ** 0.5, name


def test_pairs_fill_the_square() -> None:
    """χ² of (u_i, u_{i+1}) over a grid, and of the same place in successive sweeps."""
    u = drawn()
    for first, second in ((u[..., ::2], u[..., 1::2]), (u[:, ::2], u[:, 1::2]), (u[::2], u[1::2])):
        cells = ((first * 16).long() * 16 + (second * 16).long()).flatten()
        found, expected = torch.bincount(cells, minlength=256).double(), len(cells) / 256
        assert float(((found - expected).square() / expected).sum()) < chi2.ppf(1 - 1e-4, 255)


def test_every_coordinate_counts() -> None:
    """Keys of latents that differ in one coordinate's last bit, or in the order of two, are others."""
    latent = Prior(6, "uniform").draw(torch.Generator().manual_seed(1), 1)
    variants = [latent, latent.roll(1, 1), latent[:, [1, 0, 2, 3, 4, 5]]]
    for place in range(6):
        other = latent.clone()
        other[0, place] += 2**-22
        variants.append(other)
    both = torch.stack([torch.cat(keys(v)).flatten() for v in variants])
    assert len(both[:, 0].unique()) == len(both[:, 1].unique()) == len(variants)


def test_double_and_single_latents_agree() -> None:
    latent = Prior(6, "uniform").draw(torch.Generator().manual_seed(1), 3)
    assert isinstance(keys(latent), Keys)
    torch.testing.assert_close(keys(latent), keys(latent.double()), rtol=0, atol=0)
