"""CBOR. It is read here, and not by a library: those do what tags ask for, such as to share values until there are millions."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

from brokerweb.decoding.effort import Effort
from brokerweb.decoding.reader import Reader
from brokerweb.decoding.values import Members, Number, Other, Refused, name_of

_PLAIN: Mapping[int, Any] = {20: False, 21: True, 22: None, 23: Other("undefined")}
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}
_BIG = {2: 1, 3: -1}  # tags of numbers that are written as bytes
_SELF = 55_799  # the tag that says nothing but that it is CBOR
_ENDLESS, _BREAK = 31, 0xFF


def read(body: bytes, effort: Effort | None = None) -> Any:
    """The value. Raises Refused."""
    reader = Reader(body, effort)
    value = _value(reader)
    reader.end()
    return value


def _value(reader: Reader) -> Any:
    reader.begin()
    sign = reader.number(1)
    major, short = sign >> 5, sign & 0x1F
    if major == 7:
        return _simple(reader, short)
    if short == _ENDLESS and major in (2, 3, 4, 5):
        return _of(reader, major, None)
    if short > 27:
        raise Refused("It has a sign that CBOR has no use for.")
    return _of(reader, major, short if short < 24 else reader.number(1 << (short - 24)))


def _of(reader: Reader, major: int, said: int | None) -> Any:
    """A number, bytes, a text, an array, a map or what a tag is about; ``said`` is its length, None of one that a sign ends."""
    if major == 0:
        return Number(said)
    if major == 1:
        return Number(-1 - (said or 0))
    if major in (2, 3):
        part = reader.take(said) if said is not None else b"".join(_pieces(reader, major))
        return part.decode(errors="replace") if major == 3 else Other(f"bytes {part.hex(' ')}")
    if major == 6:
        return _tagged(reader, said or 0)
    reader.enter((said or 0) * (2 if major == 5 else 1))
    found: Any
    if major == 4:
        found = [_value(reader) for _ in _until(reader, said)]
    else:
        found = Members((name_of(_value(reader)), _value(reader)) for _ in _until(reader, said))
    reader.leave()
    return found


def _until(reader: Reader, said: int | None) -> Iterator[None]:
    """So often as is said, or until the sign that ends it."""
    if said is not None:
        yield from (None for _ in range(said))
        return
    while not _ends(reader):
        yield None


def _ends(reader: Reader) -> bool:
    if reader.left and reader.body[reader.place] == _BREAK:
        reader.take(1)
        return True
    return False


def _pieces(reader: Reader, major: int) -> Iterator[bytes]:
    for _ in _until(reader, None):
        reader.begin()
        sign = reader.number(1)
        short = sign & 0x1F
        if sign >> 5 != major or short > 27:
            raise Refused("It has a piece of another kind in a text.")
        yield reader.take(short if short < 24 else reader.number(1 << (short - 24)))


def _tagged(reader: Reader, tag: int) -> Any:
    reader.enter()
    place = reader.place
    value = _value(reader)
    reader.leave()
    if tag in _BIG and reader.body[place] >> 5 == 2:
        number = int(str(value).removeprefix("bytes ").replace(" ", "") or "0", 16)
        return Number(f"0x{number:x}" if number.bit_length() > 4_096 else number if tag == 2 else -1 - number)
    if tag == _SELF:
        return value
    return Members([(f"tag {tag}", value)])


def _simple(reader: Reader, short: int) -> Any:
    if short in _PLAIN:
        return _PLAIN[short]
    if short in _FLOATS:
        return Number(struct.unpack(_FLOATS[short], reader.take(struct.calcsize(_FLOATS[short])))[0])
    if short == _ENDLESS:
        raise Refused("It ends something that was not begun.")
    return Other(f"simple {reader.number(1) if short == 24 else short}")
