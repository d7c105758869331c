"""Criterion: what a model of one player minimises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from gan_cli.densities.autoregressive import Autoregressive
from gan_cli.densities.rbm import RBM
from gan_cli.densities.vae import VariationalAutoencoder
from gan_cli.types import Noise, Tree


class Call(Protocol):
    """One of the model's methods, with the parameters that are being moved."""

    def __call__(self, method: str, *arguments: Tensor) -> Any:
        """What the method of that name gives for these arguments."""
        ...


class Value(NamedTuple):
    """loss: [], to be differentiated; shown: numbers for the logs, each [] and named; memory: kept for the
    next step, of the form that `init` gave, without derivative."""

    loss: Tensor
    shown: Mapping[str, Tensor] = {}
    memory: Tree = ()


def fitting(model: nn.Module, kind: type, what: str) -> Any:
    """The model, if it is of that kind. Raises ValueError with what it must be and the loss that fits it."""
    if isinstance(model, kind):
        return model
    fits = {VariationalAutoencoder: "elbo", Autoregressive: "nll", RBM: "cd"}
    use = next((f": use loss={loss}" for own, loss in fits.items() if isinstance(model, own)), "")
    raise ValueError(f"model must be {what}, got {type(model).__name__}{use}")


class Criterion(ABC):
    """A mean over a batch of examples. It holds numbers alone; what training changes is its memory."""

    def check(self, model: nn.Module) -> None:  # noqa: B027 - some suit any model
        """Raise ValueError for a model that it is none for, with the nearest criterion that is one."""

    def init(self, model: nn.Module, batch_size: int, generator: torch.Generator, dtype: torch.dtype) -> Tree:
        """The memory before the first step, on the generator's device."""
        return ()

    @abstractmethod
    def draw(
        self, model: nn.Module, batch_size: int, generator: torch.Generator, dtype: torch.dtype
    ) -> Noise:
        """All randomness of one step: tensors whose first dimension is the batch, [B, …]."""

    @abstractmethod
    def value(self, call: Call, x: Tensor, label: tuple[Tensor, ...], memory: Tree, noise: Noise) -> Value:
        """The loss of a batch x [B, *shape] of examples in the model's range, pixels in [0, 1].

        label: the classes of x as rows of the identity, [B, K], alone in the tuple; empty in a model without
        classes. Pure, and safe under vmap and torch.func.grad.
        """
