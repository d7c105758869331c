"""The restricted Boltzmann machine of binary visible and hidden units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from gan_cli.checks import at_least_one, nonnegative, require
from gan_cli.densities import hashing
from gan_cli.densities.base import Density, Knowledge
from gan_cli.metrics import ais
from gan_cli.prior import Prior
from gan_cli.types import Sheet

_STOPS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10000)
"""Sweeps at which a chain is looked at."""
_FILTERS = 100
_CHAINS = 8


class RBM(Density):
    """p(v, h) = exp(b·v + c·h + hᵀWv)/Z over v in {0, 1}^V, h in {0, 1}^H.

    b is a parameter plus `base`, a buffer: the biases of units that are on as often as in the first batch
    that the model saw (`begin`), 0 before. Without it, hidden units that are all off leave every pixel a fair
    coin, and training that never goes there leaves most of the probability there.

    hidden: H; burn_in: block Gibbs sweeps behind a sample, from pixels on at those rates; averaged: a sample
    is the mean of p(v | h) over so many of its chain's last sweeps, for 0 the binary pixels of the last sweep
    themselves; temperatures, chains: of the annealed importance sampling of ln Z (Salakhutdinov and Murray
    2008 take 14,500 and 100); shape: of an example. W starts from N(0, 0.01²), the parameters b and c from 0
    (Hinton 2012, section 8).

    The model is one of binary examples. Grey pixels are taken as the probabilities of their units, in the
    place of the units' values: −F(x) − ln Z is then no log-probability. Raises ValueError for numbers below 1
    (averaged: below 0, or above burn_in; temperatures: below 3).

    Source: Smolensky 1986; Hinton, A practical guide to training restricted Boltzmann machines (2012).
    """

    base: Tensor
    begun: Tensor

    smooth: ClassVar[bool] = False
    likelihood: ClassVar[Knowledge] = "estimate"
    looks_at_batches: ClassVar[bool] = True

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        hidden: int = 500,
        burn_in: int = 1000,
        averaged: int = 1,
        temperatures: int = ais.PAPER,
        chains: int = 100,
    ):
        super().__init__()
        at_least_one(hidden=hidden, burn_in=burn_in, chains=chains)
        nonnegative(averaged=averaged)
        require(averaged <= burn_in, "averaged", f"at most burn_in={burn_in}", averaged)
        require(temperatures >= 3, "temperatures", "at least 3", temperatures)
        visible = math.prod(shape)
        self.shape = tuple(shape)
        self.units = hidden + visible
        self.burn_in, self.averaged = burn_in, averaged
        self.temperatures, self.chains = temperatures, chains
        self.prior = Prior(visible, "uniform")
        self.weight = nn.Parameter(0.01 * torch.randn(hidden, visible))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))
        self.visible_bias = nn.Parameter(torch.zeros(visible))
        self.register_buffer("base", torch.zeros(visible))
        self.register_buffer("begun", torch.zeros(()))

    def begin(self, x: Tensor) -> None:
        """Let `base` be that of these examples, [B, …], if they are the first: it changes buffers alone."""
        self.base = torch.where(self.begun > 0, self.base, ais.base_rates(x.flatten(1)))
        self.begun = torch.ones_like(self.begun)

    # --- the law --------------------------------------------------------------------------------------

    def free_energy(self, v: Tensor) -> Tensor:
        """F(v) = −ln Σ_h exp(b·v + c·h + hᵀWv) = −b·v − Σ_j softplus(c + Wv)_j: [B, …] -> [B]."""
        v = v.flatten(1)
        return -(v @ self._offset()) - functional.softplus(self._inputs(v)).sum(1)

    def hidden(self, v: Tensor) -> Tensor:
        """p(h_j = 1 | v) = σ(c + Wv)_j: [B, …] -> [B, H]."""
        return self._inputs(v.flatten(1)).sigmoid()

    def visible(self, h: Tensor) -> Tensor:
        """p(v_i = 1 | h) = σ(b + Wᵀh)_i: [B, H] -> [B, V]."""
        return (h @ self.weight + self._offset()).sigmoid()

    def gibbs(self, v: Tensor, uniforms: Tensor) -> Tensor:
        """One block sweep v -> h -> v' by uniform numbers [B, H + V], of h, then v': [B, …] -> [B, V]."""
        return self._sweep(v, uniforms)[0]

    def pseudo_log_likelihood(self, v: Tensor, uniforms: Tensor) -> Tensor:
        """V ln p(v_i | all other v) at one unit i = ⌊uV⌋ an example, in nats: [B, …], [B] -> [B].

        In expectation over u ~ U(0, 1) it is Σ_i ln p(v_i | others), the logarithm of Besag's
        pseudo-likelihood. A grey v_i counts as its probability.
        """
        v = v.flatten(1)
        size = v.shape[1]
        i = (uniforms * size).to(torch.int64).clamp(0, size - 1)
        chosen, column = v.gather(1, i[:, None]), self.weight.T[i]  # [B, 1], [B, H]
        off = self._inputs(v) - chosen * column
        gain = functional.softplus(off + column) - functional.softplus(off)
        odds = self._offset()[i] + gain.sum(1)
        return -size * functional.binary_cross_entropy_with_logits(odds, chosen[:, 0], reduction="none")

    # --- Density --------------------------------------------------------------------------------------

    def generate(self, latent: Tensor) -> Tensor:
        """The end of a chain that starts at 1[(1 + latent)/2 < base rate], driven by a hash of the latent."""
        v, keys = ((1 + latent) / 2 < self.base.sigmoid()).to(latent.dtype), hashing.keys(latent)
        total = torch.zeros_like(v)
        for t in range(self.burn_in):
            v, p = self._sweep(v, hashing.uniforms(keys, t, self.units, v.dtype))
            if t >= self.burn_in - self.averaged:
                total = total + p
        x: Tensor = total / self.averaged if self.averaged else v
        return x.reshape(len(x), *self.shape)

    def settle(self, generator: torch.Generator, samples: int) -> ais.LogPartition:
        """ln Z by annealed importance sampling with `samples` chains, at most `chains`.

        It starts from the machine without weights whose biases are `base`. The estimate of Z is unbiased; a
        mode that no chain found is missing from it, and from its interval.
        """
        machine = ais.Machine(self.weight, self.hidden_bias, self._offset())
        betas = ais.temperatures(self.temperatures)
        return ais.log_partition(ais.log_weights(machine, self.base, betas, self._runs(samples), generator))

    def way(self, samples: int) -> str:
        by = f"{self._runs(samples)} runs of annealed importance sampling"
        return f"an estimate by {by} at {self.temperatures} temperatures"

    def shared_error(self, settled: ais.LogPartition) -> Tensor:
        """That of ln Z, to first order: the standard error of Z over Z."""
        return settled.error

    def log_likelihood(
        self, x: Tensor, settled: ais.LogPartition, generator: torch.Generator, samples: int
    ) -> Tensor:
        """−F(x) − ln Z, with ln Z as `settle` estimated it."""
        return -self.free_energy(x) - settled.value.to(x.dtype)

    def exhibits(self, x: Tensor, generator: torch.Generator) -> Mapping[str, Sheet]:
        """filters: rows of W, each between its own extremes about grey; chains: p(v | h) along the chain of a
        real example, one a row, which comes first, after 1, 3, 10, 30, … sweeps."""
        with torch.no_grad():
            rows = self.weight[:_FILTERS]
            filters = 0.5 + 0.5 * rows / rows.abs().amax(1, keepdim=True).clamp_min(1e-12)
            chains, columns = self._chains(x[:_CHAINS].flatten(1), generator)
        return {
            "filters": Sheet(filters.unflatten(1, self.shape), math.ceil(math.sqrt(len(filters)))),
            "chains": Sheet(chains.unflatten(1, self.shape), columns),
        }

    # --- parts ----------------------------------------------------------------------------------------

    def _runs(self, samples: int) -> int:
        return min(samples, self.chains)

    def _offset(self) -> Tensor:
        """b, [V]."""
        return self.visible_bias + self.base

    def _inputs(self, v: Tensor) -> Tensor:
        return functional.linear(v, self.weight, self.hidden_bias)

    def _sweep(self, v: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
        """One block sweep: v' and p(v' = 1 | h), each [B, V]."""
        of_hidden, of_visible = uniforms.split([len(self.hidden_bias), len(self.visible_bias)], 1)
        p = self.visible((of_hidden < self.hidden(v)).to(v.dtype))
        return (of_visible < p).to(v.dtype), p

    def _rand(self, generator: torch.Generator, *size: int) -> Tensor:
        weight = self.weight
        return torch.rand(size, generator=generator, dtype=weight.dtype, device=weight.device)

    def _chains(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, int]:
        """The stops of each chain one after the other, [B·S, V], and how many there are, S."""
        stops = [stop for stop in _STOPS if stop <= self.burn_in]
        v, seen = x, [x]
        for t in range(1, stops[-1] + 1):
            v, p = self._sweep(v, self._rand(generator, len(x), self.units))
            if t in stops:
                seen.append(p)
        return torch.stack(seen, 1).flatten(0, 1), len(seen)
