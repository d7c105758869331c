"""Randomness as a function of (seed, purpose, number): nothing to save, nothing to restore."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch

_WORD = 0xFFFFFFFF


@dataclass(frozen=True)
class Streams:
    """The random streams of one run, addressed by purpose and number.

    `at(purpose, n)` seeds a generator with mix(base(seed, purpose) + n), where mix is a bijection of
    32-bit words (the finaliser of MurmurHash3): torch's CPU generator reads no more than 32 bits of its
    seed, and within one stream no two numbers below 2³² may share one. Two streams, of other purposes or
    seeds, are stretches of one ring of 2³² words and may overlap by chance, at other numbers.
    """

    seed: int
    device: torch.device

    def at(self, purpose: str, number: int) -> torch.Generator:
        """The generator of draw `number` of stream `purpose`, on the run's device."""
        digest = hashlib.blake2b(f"{self.seed}/{purpose}".encode(), digest_size=4).digest()
        word = _mix((int.from_bytes(digest, "little") + number) & _WORD)
        return torch.Generator(self.device).manual_seed(word)


def _mix(word: int) -> int:
    word ^= word >> 16
    word = word * 0x85EBCA6B & _WORD
    word ^= word >> 13
    word = word * 0xC2B2AE35 & _WORD
    return word ^ word >> 16
