"""Annealed importance sampling of the normalising constant of a restricted Boltzmann machine.

Sources: Salakhutdinov and Murray, On the quantitative analysis of deep belief networks (2008);
Neal, Annealed importance sampling (2001).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from gan_cli.checks import at_least_one, require

PAPER = 14_500
"""Temperatures in the paper."""

_STRETCHES = ((0.0, 0.5, 500), (0.5, 0.9, 4_000), (0.9, 1.0, 10_000))


class Machine(NamedTuple):
    """A binary restricted Boltzmann machine: weight [H, V], hidden_bias [H], visible_bias [V]."""

    weight: Tensor
    hidden_bias: Tensor
    visible_bias: Tensor


class LogPartition(NamedTuple):
    """ln Z in nats and σ/Z with σ the standard error of Z, which to first order is that of ln Z, each []."""

    value: Tensor
    error: Tensor


def temperatures(count: int = PAPER) -> Tensor:
    """Inverse temperatures 0 = β₀ < … < β_count = 1 in double precision on the CPU, [count + 1].

    Steps are even within [0, 0.5], [0.5, 0.9] and [0.9, 1], whose shares are those of the paper: 500, 4,000
    and 10,000 of 14,500. Raises ValueError for fewer than three.

    >>> betas = temperatures(29)
    >>> len(betas), [round(float(beta), 4) for beta in betas[[0, 1, 9, 29]]]
    (30, [0.0, 0.5, 0.9, 1.0])
    """
    require(count >= len(_STRETCHES), "count", f"at least {len(_STRETCHES)}", count)
    sizes = [max(1, round(count * share / PAPER)) for *_, share in _STRETCHES]
    sizes[-1] = count - sum(sizes[:-1])
    parts = [
        torch.linspace(low, high, n + 1, dtype=torch.float64, device="cpu")[1:]
        for (low, high, _), n in zip(_STRETCHES, sizes, strict=True)
    ]
    return torch.cat([torch.zeros(1, dtype=torch.float64, device="cpu"), *parts])


def base_rates(probabilities: Tensor) -> Tensor:
    """The biases of units that are on as often as in these examples, [N, V] -> [V].

    ln p/(1−p) with p = (Σ_n x_n + 1)/(N + 2), which is never 0 or 1.
    """
    return torch.logit((probabilities.sum(0) + 1) / (len(probabilities) + 2))


@torch.no_grad()
def log_weights(
    machine: Machine, base: Tensor, betas: Tensor, chains: int, generator: torch.Generator
) -> Tensor:
    """The logarithms of as many importance weights, each an unbiased estimate of Z, [chains] in double.

    ln w = ln Z₀ + Σ_k ln p*_{β_k}(v_{k−1}) − ln p*_{β_{k−1}}(v_{k−1}), where v_0 is drawn at β₀ = 0, v_k by
    one block Gibbs sweep at β_k from v_{k−1}, and ln p*_β(v) = ((1−β)a + βb)·v + Σ_j softplus(β(c + Wv)_j)
    (at β = 0 the hidden units are fair coins), ln Z₀ = Σ_i softplus(a_i) + H ln 2.

    base: the visible biases a of the machine without weights at β = 0, [V]; betas: rising from 0 to 1, [K].
    Raises ValueError for less than one chain.
    """
    at_least_one(chains=chains)
    weight, hidden_bias, visible_bias = machine
    base = base.to(weight)

    def bernoulli(logits: Tensor) -> Tensor:
        u = torch.rand(logits.shape, generator=generator, dtype=logits.dtype, device=logits.device)
        return (u < logits.sigmoid()).to(logits.dtype)

    v = bernoulli(base.expand(chains, -1))
    start = functional.softplus(base.double()).sum() + len(hidden_bias) * math.log(2)
    found = start.repeat(chains)
    for colder, beta in pairwise(betas.tolist()):
        inputs = functional.linear(v, weight, hidden_bias)
        gain = functional.softplus(beta * inputs) - functional.softplus(colder * inputs)
        # The differences in the model's precision, their long sum in double.
        found = found + gain.sum(1, dtype=torch.float64)
        found = found + (beta - colder) * (v @ (visible_bias - base)).double()
        h = bernoulli(beta * inputs)
        v = bernoulli((1 - beta) * base + beta * (h @ weight + visible_bias))
    return found


def log_partition(log_weights: Tensor) -> LogPartition:
    """ln Z from the logarithms of weights, [M]: Z is their mean, σ their deviation over √M, inf for M = 1.

    Salakhutdinov and Murray state the interval ln(Z ± 3σ), which is value + ln(1 ± 3·error).

    >>> [round(float(x), 4) for x in log_partition(torch.tensor([1.0, 3.0]).log())]  # ln 2, 1/2
    [0.6931, 0.5]
    """
    count = len(log_weights)
    value = torch.logsumexp(log_weights, 0) - math.log(count)
    ratios = (log_weights - value).exp()  # w/Z, whose mean is 1
    spread = ratios.var(correction=1).sqrt() if count > 1 else torch.full_like(value, math.inf)
    return LogPartition(value, spread / math.sqrt(count))
