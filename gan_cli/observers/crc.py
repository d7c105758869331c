"""The checksum of event files, a thousand bytes at a time."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78  # 0x1EDC6F41 with its bits in reverse: CRC-32C (Castagnoli), RFC 3720, appendix B.4
_BLOCK = 1024


@cache
def _tables() -> NDArray[np.uint32]:
    """T[k, b]: the remainder of byte b with k zero bytes after it, [_BLOCK, 256]."""
    first = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        first = np.where(first & 1, (first >> 1) ^ np.uint32(_POLYNOMIAL), first >> 1).astype(np.uint32)
    tables = np.empty((_BLOCK, 256), np.uint32)
    tables[0] = first
    for k in range(1, _BLOCK):
        tables[k] = first[tables[k - 1] & 255] ^ (tables[k - 1] >> 8)
    return tables


def crc32c(data: bytes) -> int:
    """CRC-32C of the bytes. The remainder is linear in them over GF(2), so that those of a block's bytes are
    looked up at once and added (Kounavis & Berry 2008, A Systematic Approach to Building High Performance
    Software-Based CRC Generators, §4).

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    tables, register = _tables(), 0xFFFFFFFF
    places = np.arange(_BLOCK - 1, -1, -1)
    for start in range(0, len(data), _BLOCK):
        block = np.frombuffer(data, np.uint8, min(_BLOCK, len(data) - start), start).copy()
        carried = np.frombuffer(register.to_bytes(4, "little"), np.uint8)[: len(block)]
        block[: len(carried)] ^= carried
        beyond = register >> 8 * len(carried)  # of a block of less than four bytes
        register = int(np.bitwise_xor.reduce(tables[places[_BLOCK - len(block) :], block])) ^ beyond
    return register ^ 0xFFFFFFFF


def masked_crc32c(data: bytes) -> int:
    """The same as records hold it: rotated right by 15 bits, plus 0xa282ead8 (TFRecord's format)."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
