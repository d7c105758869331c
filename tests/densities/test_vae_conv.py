"""The convolutional variational autoencoder; what it shares with the other is tested there."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gan_cli.densities.vae_conv import ConvVAE


def normal(*size: int) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 16)])
def test_convolutions(channels: int, side: int, classes: int) -> None:
    torch.manual_seed(0)
    model = ConvVAE((channels, side, side), latent=4, width=2, decoder="gaussian", classes=classes).double()
    label: list[Tensor] = [torch.eye(3, dtype=torch.float64)[[2, 0, 1, 1, 0]]] if classes else []
    x = normal(5, channels, side, side).sigmoid()
    mean, log_variance = model.encode(x, *label)
    assert mean.shape == log_variance.shape == (5, 4)
    images = model.generate(torch.cat([mean, *label], 1))
    assert images.shape == x.shape
    assert images.min() >= 0
    assert images.max() <= 1
    weights = model.log_weights(x, normal(5, 3, 4), *label)
    each = [
        model.log_weights(x[i : i + 1], normal(5, 3, 4)[i : i + 1], *(y[i : i + 1] for y in label))
        for i in range(5)
    ]
    torch.testing.assert_close(weights, torch.cat(each))
    if classes:
        other = model.encode(x, label[0].roll(1, 1))[0]
        assert (other - mean).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((5,), {}, r"shape must be a square image \[C, S, S\] \(take model=vae for others\), got \[5\]"),
        ((1, 28, 14), {}, "shape must be a square image"),
        ((1, 30, 30), {}, r"image side must be .*, got 30: use data.size=28"),
        ((1, 28, 28), {"width": 0}, "width must be at least 1, got 0"),
        ((1, 28, 28), {"latent": 0}, "latent must be at least 1, got 0"),
    ],
)
def test_refusals_of_convolutions(shape: tuple[int, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ConvVAE(shape, **options)
