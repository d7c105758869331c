"""Uniform numbers that are a function of an example's latent, to drive the Markov chain behind a sample.

A counter-based generator: number i of draw t is a hash of (latent, t, i). It holds no state, so an example's
chain depends on its own latent alone, whatever the batch around it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_WORD = 0xFFFFFFFF


class Keys(NamedTuple):
    """Two 32-bit words an example, each [B, 1] int64."""

    first: Tensor
    second: Tensor


def mixed(word: Tensor) -> Tensor:
    """A bijection of 32-bit words, held in int64, in which every bit depends on every other.

    Its multipliers are below 2³¹, so that no product leaves 63 bits. They are the pair with the least known
    bias of this form in Wellons's search for hash functions (hash-prospector, 2018 to 2022).
    """
    word = ((word ^ (word >> 16)) * 0x21F0AAAD) & _WORD
    word = ((word ^ (word >> 15)) * 0x735A2D97) & _WORD
    return word ^ (word >> 15)


def keys(latent: Tensor) -> Keys:
    """The keys of latents from U(−1, 1), [B, Z], by all of their coordinates."""
    bits = (latent.detach().double() * 2**31).to(torch.int64) & _WORD
    words = mixed(bits ^ _places(latent.shape[1], latent))
    first = words.sum(1, keepdim=True) & _WORD
    second = mixed(words ^ 0x9E3779B9).sum(1, keepdim=True) & _WORD
    return Keys(mixed(first), mixed(second))


def uniforms(keys: Keys, number: int, width: int, dtype: torch.dtype) -> Tensor:
    """Draw `number` of every example: multiples of 2⁻²⁴ in [0, 1), [B, width]."""
    key = mixed((mixed(keys.first ^ number) + keys.second) & _WORD)
    return (mixed(_places(width, key) ^ key) >> 8).to(dtype) * 2.0**-24


def _places(count: int, like: Tensor) -> Tensor:
    """A word for each place, [count]."""
    return mixed(torch.arange(1, count + 1, device=like.device))
