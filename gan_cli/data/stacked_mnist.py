"""Stacked MNIST: three digits as the colours of one image, a thousand modes whose shares are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from gan_cli.checks import one_of, require
from gan_cli.data.base import ImageSet, Sampler
from gan_cli.data.mnist import MNIST

CHANNELS = 3


@dataclass(frozen=True)
class Stacks(Sampler):
    """Images of three digits, drawn independently and with replacement. digits: uint8 [N, S, S]; labels: [N].

    The mode of an image is 100·red + 10·green + blue, in digits.
    """

    digits: Tensor
    labels: Tensor

    def sample(self, generator: torch.Generator, n: int) -> Tensor:
        """`n` images, uint8 [n, 3, S, S]."""
        return self.draw(generator, n)[0]

    def draw(self, generator: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
        """`n` images, uint8 [n, 3, S, S], and their modes, [n]."""
        device = generator.device
        rows = torch.randint(len(self.digits), (n, CHANNELS), generator=generator, device=device)
        return self.digits.to(device)[rows], modes_of(self.labels.to(device)[rows])

    @property
    def shares(self) -> Tensor:
        """The share of each mode in the law, float64 [1000]: the products of the digits' own."""
        digit = torch.bincount(self.labels, minlength=10).double() / len(self.labels)
        return torch.einsum("i,j,k->ijk", digit, digit, digit).flatten()

    def to(self, device: torch.device) -> Stacks:
        return Stacks(self.digits.to(device), self.labels.to(device))


def modes_of(digits: Tensor) -> Tensor:
    """The modes of images whose channels hold these digits: [n, 3] -> [n].

    >>> modes_of(torch.tensor([[0, 0, 7], [9, 1, 2]]))
    tensor([  7, 912])
    """
    return (digits * torch.tensor([100, 10, 1], device=digits.device)).sum(1)


@dataclass(frozen=True, kw_only=True)
class StackedMNIST(ImageSet):
    """Each image three digits of MNIST, one a colour, drawn anew for every batch (Metz et al. 2017, §3.3.1;
    Srivastava et al. 2017, VEEGAN, §4.2).

    root, split, download, size and binarize are MNIST's: `fixed` draws each digit once, not each image.
    Raises ValueError for other than three channels.
    """

    root: str = "data"
    split: Literal["train", "test"] = "train"
    download: bool = True
    size: int = 28
    default_steps: int = 20000

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.channels == CHANNELS, "channels", "3, one for each digit", self.channels)
        one_of("split", self.split, ("train", "test"))
        object.__setattr__(self, "root", self.digits.root)

    @property
    def digits(self) -> MNIST:
        """The single digits that the images are made of."""
        return MNIST(
            root=self.root,
            split=self.split,
            download=self.download,
            size=self.size,
            pixel_range=self.pixel_range,
            binarize=self.binarize,
            binarize_seed=self.binarize_seed,
        )

    def held_out(self) -> StackedMNIST | None:
        return replace(self, split="test") if self.split == "train" else None

    def preflight(self) -> None:
        self.digits.preflight()

    def load(self) -> Stacks:
        """The law of images made of the split's digits."""
        table = self.digits.load()
        assert table.labels is not None
        return Stacks(torch.as_tensor(np.asarray(table.images)[:, 0]), torch.as_tensor(table.labels))
