"""Which partition a key belongs to: as Kafka's Java client has it, so that both put a key in the same place.

MurmurHash2 (Austin Appleby, public domain), 32 bits, little-endian, seed 0x9747b28c.
"""

from __future__ import annotations

from functools import lru_cache
from struct import unpack_from

_M, _R, _SEED, _32 = 0x5BD1E995, 24, 0x9747B28C, 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The hash as an unsigned 32-bit number."""
    length = len(data)
    h = _SEED ^ length
    for (k,) in (unpack_from("<I", data, i) for i in range(0, length - 3, 4)):
        k = k * _M & _32
        k ^= k >> _R
        h = (h * _M & _32) ^ (k * _M & _32)
    rest = data[length & ~3 :]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * _M & _32
    h ^= h >> 13
    h = h * _M & _32
    return h ^ h >> 15


@lru_cache(maxsize=65_536)
def partition_of(key: str, partitions: int) -> int:
    """The number of the partition that ``key`` belongs to."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions
