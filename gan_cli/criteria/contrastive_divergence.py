"""Contrastive divergence, from the data or with persistent chains."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan_cli.checks import at_least_one
from gan_cli.criteria.base import Call, Criterion, Value, fitting
from gan_cli.densities.rbm import RBM
from gan_cli.types import Noise, Tree


@dataclass(frozen=True)
class ContrastiveDivergence(Criterion):
    """E_x F(x) − E F(v), F the model's free energy, v what Gibbs sampling gave, held constant.

    Its gradient is the positive phase less the negative one, −E_x[v p(h|v)ᵀ] + E[v p(h|v)ᵀ] for the weights:
    that of E_x[−ln p(x)] where v comes from the model. Its value is no objective and says nothing by itself.

    steps: block sweeps k behind v, from the examples (CD-k, Hinton 2002) or, persistent, from where the
    chains of the last step ended (PCD, Tieleman 2008; there are as many chains as examples in a batch, and
    they start from random units); averaged: the negative phase is the mean over v_k and the averaged − 1
    sweeps after it. Raises ValueError for less than 1.
    """

    steps: int = 1
    persistent: bool = False
    averaged: int = 1

    def __post_init__(self) -> None:
        at_least_one(steps=self.steps, averaged=self.averaged)

    def check(self, model: nn.Module) -> None:
        _machine(model)

    def init(self, model: nn.Module, batch_size: int, generator: torch.Generator, dtype: torch.dtype) -> Tree:
        """The chains' visible units, [batch_size, V], if they persist."""
        if not self.persistent:
            return ()
        size = (batch_size, len(_machine(model).visible_bias))
        u = torch.rand(size, generator=generator, dtype=dtype, device=generator.device)
        return (u < 0.5).to(dtype)

    def draw(
        self, model: nn.Module, batch_size: int, generator: torch.Generator, dtype: torch.dtype
    ) -> Noise:
        """Uniform numbers: of the sweeps, [B, steps + averaged − 1, H + V]; of the unit looked at, [B]."""
        sweeps = self.steps + self.averaged - 1

        def rand(*size: int) -> Tensor:
            return torch.rand(batch_size, *size, generator=generator, dtype=dtype, device=generator.device)

        return rand(sweeps, _machine(model).units), rand()

    def value(self, call: Call, x: Tensor, label: tuple[Tensor, ...], memory: Tree, noise: Noise) -> Value:
        sweeps, unit = noise
        call("begin", x)
        v = memory if self.persistent else x.flatten(1)
        chain = []
        with torch.no_grad():
            for uniforms in sweeps.unbind(1):
                v = call("gibbs", v, uniforms)
                chain.append(v)
            shown = {
                "pseudo_log_likelihood": call("pseudo_log_likelihood", x, unit).mean(),
                "reconstruction_error": self._reconstruction_error(call, x),
            }
        negative = torch.cat(chain[self.steps - 1 :])
        loss = call("free_energy", x).mean() - call("free_energy", negative).mean()
        return Value(loss, shown, v if self.persistent else ())

    def _reconstruction_error(self, call: Call, x: Tensor) -> Tensor:
        """E‖x − p(v | p(h | x))‖², a sum over pixels."""
        again: Tensor = call("visible", call("hidden", x))
        return (x.flatten(1) - again).square().sum(1).mean()


def _machine(model: nn.Module) -> RBM:
    found: RBM = fitting(model, RBM, "one of free energies and Gibbs sweeps (rbm)")
    return found
