"""MessagePack. It is read here, and not by a library, which would believe what a few bytes promise before it sees the rest."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from brokerweb.decoding.effort import Effort
from brokerweb.decoding.reader import Reader
from brokerweb.decoding.values import Members, Number, Other, Refused, name_of

_PLAIN: Mapping[int, Any] = {0xC0: None, 0xC2: False, 0xC3: True}
_SIZES = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}  # of lengths: of bytes, and of texts
_UNSIGNED, _SIGNED = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}, {0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_FLOATS = {0xCA: ">f", 0xCB: ">d"}
_EXTENSIONS = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
_SIZED_EXTENSIONS = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_ARRAYS, _MAPS = {0xDC: 2, 0xDD: 4}, {0xDE: 2, 0xDF: 4}


def read(body: bytes, effort: Effort | None = None) -> Any:
    """The value. Raises Refused."""
    reader = Reader(body, effort)
    value = _value(reader)
    reader.end()
    return value


def _value(reader: Reader) -> Any:
    reader.begin()
    sign = reader.number(1)
    if sign <= 0x7F or sign >= 0xE0:
        return Number(sign if sign <= 0x7F else sign - 256)
    if sign <= 0x8F:
        return _map(reader, sign & 0x0F)
    if sign <= 0x9F:
        return _array(reader, sign & 0x0F)
    if sign <= 0xBF:
        return _text(reader.take(sign & 0x1F))
    return _other(reader, sign)


def _other(reader: Reader, sign: int) -> Any:
    """Of a sign that says what follows."""
    if sign in _PLAIN:
        return _PLAIN[sign]
    if sign in _SIZES:
        part = reader.take(reader.number(_SIZES[sign]))
        return _text(part) if sign >= 0xD9 else Other(f"bytes {part.hex(' ')}")
    if sign in _UNSIGNED or sign in _SIGNED:
        return Number(reader.number((_UNSIGNED | _SIGNED)[sign], signed=sign in _SIGNED))
    if sign in _FLOATS:
        return Number(struct.unpack(_FLOATS[sign], reader.take(struct.calcsize(_FLOATS[sign])))[0])
    if sign in _ARRAYS:
        return _array(reader, reader.number(_ARRAYS[sign]))
    if sign in _MAPS:
        return _map(reader, reader.number(_MAPS[sign]))
    if sign in _EXTENSIONS or sign in _SIZED_EXTENSIONS:
        length = _EXTENSIONS.get(sign) or reader.number(_SIZED_EXTENSIONS[sign])
        kind = reader.number(1, signed=True)
        return Other(f"extension {kind} {reader.take(length).hex(' ')}")
    raise Refused("It has a sign that MessagePack has no use for.")


def _array(reader: Reader, items: int) -> list[Any]:
    reader.enter(items)
    found = [_value(reader) for _ in range(items)]
    reader.leave()
    return found


def _map(reader: Reader, items: int) -> Members:
    reader.enter(2 * items)
    found = Members((name_of(_value(reader)), _value(reader)) for _ in range(items))
    reader.leave()
    return found


def _text(part: bytes) -> str:
    return part.decode(errors="replace")
