"""What the networks share: activations, initialisation, and the map onto the data's range.

A generator is built as Generator(latent, shape, pixel_range, **options) and maps z [B, Z] to [B, *shape]; a
critic as Critic(shape, **options) and maps x [B, *shape] to scores [B].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

Activation = Literal["relu", "leaky_relu", "elu", "tanh", "softplus"]
Norm = Literal["batch", "layer", "none"]
PixelRange = tuple[float, float] | None

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
}


def activation(name: Activation) -> nn.Module:
    """A fresh activation layer by name (leaky_relu has slope 0.2)."""
    return _ACTIVATIONS[name]()


def perceptron(sizes: Sequence[int], kind: Activation) -> nn.Sequential:
    """Affine maps between these sizes, with the activation between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation(kind)]
    return nn.Sequential(*layers[:-1])


def normalisation(kind: Norm, channels: int) -> list[nn.Module]:
    """BatchNorm, layer normalisation over channels and pixels, or nothing, for so many planes."""
    if kind == "batch":
        return [nn.BatchNorm2d(channels)]
    return [nn.GroupNorm(1, channels)] if kind == "layer" else []


class Output(nn.Module):
    """A generator's map onto the data's range: tanh for [−a, a], a sigmoid for others, none for points."""

    def __init__(self, pixel_range: PixelRange):
        super().__init__()
        self.pixel_range = pixel_range

    def forward(self, x: Tensor) -> Tensor:
        if self.pixel_range is None:
            return x
        low, high = self.pixel_range
        if low == -high:
            return high * torch.tanh(x)
        return low + (high - low) * torch.sigmoid(x)


def normal_init(module: nn.Module, std: float, norm_std: float | None = None) -> None:
    """Weights N(0, std²) and biases 0; scales of BatchNorm N(1, norm_std²) where given, else 1."""
    for m in module.modules():
        if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(m.weight, 0.0, std)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
        elif isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) and norm_std is not None:
            nn.init.normal_(m.weight, 1.0, norm_std)


def orthogonal_init(module: nn.Module, gain: float) -> None:
    """Weights of linear layers orthogonal times gain, biases 0 (Saxe et al. 2014)."""
    for m in module.modules():
        if isinstance(m, nn.Linear):
            nn.init.orthogonal_(m.weight, gain)
            nn.init.zeros_(m.bias)
