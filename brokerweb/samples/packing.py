"""Samples as few bytes: columns of integers, the bytes of one weight side by side, deflated."""

from __future__ import annotations

import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain, pairwise
from operator import add, sub

from brokerweb.samples.series import Sample

_WIDTH = 8  # bytes of an integer
_MOST = (1 << 64) - 1
_FIELDS = len(Sample._fields)
_CAME, _WENT = Sample._fields.index("came"), Sample._fields.index("went")
_DEAD = Sample._fields.index("dead")
_THERE = [Sample._fields.index(name) for name in ("ready", "scheduled", "blocked", "leased", "dead")]


def _squeezed(values: Iterable[int], level: int) -> bytes:
    """How many bytes a number has, and these, the lowest of all numbers first."""
    numbers = array("Q", values)
    planes = max(1, (max(numbers, default=0).bit_length() + 7) // 8)
    if sys.byteorder == "big":
        numbers.byteswap()
    raw = numbers.tobytes()
    return bytes([planes]) + zlib.compress(b"".join(raw[n::_WIDTH] for n in range(planes)), level)


def _expanded(packed: bytes) -> array[int]:
    planes, lowest_first = packed[0], zlib.decompress(memoryview(packed)[1:])
    size = len(lowest_first) // planes
    raw = bytearray(size * _WIDTH)
    for n in range(planes):
        raw[n::_WIDTH] = lowest_first[n * size : (n + 1) * size]
    numbers = array("Q")
    numbers.frombytes(raw)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def pack_tick(samples: Mapping[int, Sample]) -> bytes:
    """Samples of one instant, by their places in a bucket."""
    columns = zip(*samples.values(), strict=True)
    return _squeezed(chain(samples, *columns), 1)


def unpack_tick(packed: bytes) -> dict[int, Sample]:
    """What ``pack_tick`` has packed."""
    numbers = _expanded(packed)
    size = len(numbers) // (1 + _FIELDS)
    columns = (numbers[n * size : (n + 1) * size] for n in range(1, 1 + _FIELDS))
    return dict(zip(numbers[:size], map(Sample, *columns), strict=True))


def places_in(packed: bytes) -> Sequence[int]:
    """The places that a tick has samples of."""
    numbers = _expanded(packed)
    return numbers[: len(numbers) // (1 + _FIELDS)]


def unpack_some(packed: bytes, places: Iterable[int]) -> dict[int, Sample]:
    """As ``unpack_tick``, of these places as far as it has them."""
    numbers = _expanded(packed)
    size = len(numbers) // (1 + _FIELDS)
    at = {place: n for n, place in enumerate(numbers[:size])}
    return {place: Sample(*numbers[size + at[place] :: size]) for place in places if place in at}


def pack_hour(minutes: Mapping[int, Sample]) -> bytes:
    """Samples of one series, by the minute of an hour: 0 to 59.

    What went follows from what came and from how much more there is: what is kept of it is by how much that is not so.
    """
    there = sorted(minutes)
    columns = list(zip(*(minutes[minute] for minute in there), strict=True))
    if columns:
        columns[_WENT] = tuple(map(sub, columns[_WENT], _left(columns)))
    values = [sum(1 << minute for minute in there), *chain.from_iterable(columns)]
    return _squeezed((_folded(b - a) for a, b in pairwise([0, *values])), 6)


def unpack_hour(packed: bytes) -> dict[int, Sample]:
    """What ``pack_hour`` has packed."""
    there, columns = _columns(packed)
    columns[_WENT] = list(map(add, columns[_WENT], _left(columns)))
    return dict(zip(there, map(Sample, *columns), strict=True))


def unpack_depths(packed: bytes) -> dict[int, tuple[int, int]]:
    """As ``unpack_hour``, of each sample its depth and the dead."""
    there, columns = _columns(packed)
    depths = map(sum, zip(*(columns[n] for n in _THERE if n != _DEAD), strict=True))
    return dict(zip(there, zip(depths, columns[_DEAD], strict=True), strict=True))


def _columns(packed: bytes) -> tuple[list[int], list[Sequence[int]]]:
    """Of which minutes there are samples, and their columns; what went as it is kept."""
    values = list(accumulate([number >> 1 ^ -(number & 1) for number in _expanded(packed)]))
    there = [minute for minute in range(60) if values[0] >> minute & 1]
    size = len(there)
    return there, [values[1 + n * size : 1 + (n + 1) * size] for n in range(_FIELDS)]


def _left(columns: Sequence[Sequence[int]]) -> Iterator[int]:
    """What went at each minute, if it was what came and is not there."""
    there = list(map(sum, zip(*(columns[n] for n in _THERE), strict=True)))
    return map(sub, columns[_CAME], [0, *map(sub, there[1:], there)])


def _folded(number: int) -> int:
    """Small where the number is near 0, whatever its sign."""
    return (number << 1 ^ number >> 63) & _MOST
