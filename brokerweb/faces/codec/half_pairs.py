"""Halves of surrogate pairs. JSON can escape one by itself (``"\\ud83d"``, what JavaScript's ``slice`` leaves of an emoji);
no text can hold it, and parsers refuse all that stands around it.

A request that has some is parsed with a stand-in for them. Where text is free, as an error's is, the half becomes U+FFFD; names,
keys, ids and bodies are refused, each with its place.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, get_args, get_type_hints

from msgspec import Meta, Raw, Struct

from brokerweb.core.errors import Invalid, escape_pointer

MENDED = Meta(extra={"mended": True})  # on the type of a text, within Annotated: it is free
WHY = "half a surrogate pair cannot be stored"
MOST = 10_000  # of one request
UNKNOWN = "\ufffd"

_HEX = rb"[0-9a-fA-F]"
_PAIR = rb"\\u[dD][89abAB]%b{2}\\u[dD][c-fC-F]%b{2}" % (_HEX, _HEX)
# Everything up to the next half, and that. Nothing is tried twice, whatever the text.
_HALF = re.compile(rb"((?:[^\\]++|\\[^u]|\\u(?![dD][89a-fA-F])|%b)*+)\\u[dD][89a-fA-F]%b{2}" % (_PAIR, _HEX), re.DOTALL)


def replaced(json: bytes) -> tuple[bytes, str] | None:
    """The text with a stand-in for each half, and the stand-in: a character that it does not have. None where it has no half.

    Raises Invalid for more of them than are looked for.
    """
    parts: list[bytes] = []
    position, stand_in = 0, ""
    while (found := _HALF.match(json, position)) is not None:
        stand_in = stand_in or _unused(json)
        parts += found[1], _escape(stand_in)
        position = found.end()
        if len(parts) > 2 * MOST:
            raise Invalid.at("", WHY)
    return (b"".join([*parts, json[position:]]), stand_in) if parts else None


def _unused(json: bytes) -> str:
    """One of Unicode's characters that are none, and not in the text. Raises Invalid where it has them all."""
    lower = json.lower()
    for point in range(0xFDD0, 0xFDF0):
        if chr(point).encode() not in json and _escape(chr(point)) not in lower:
            return chr(point)
    raise Invalid.at("", WHY)


def _escape(character: str) -> bytes:
    return b"\\u%04x" % ord(character)


def mended(value: Any, stand_in: str, pointer: str = "", *, free: bool = False) -> Any:
    """The parsed request with its free texts mended. Raises Invalid for a half anywhere else, with its place."""
    if isinstance(value, str | Raw):
        return _text(value, stand_in, pointer, free)
    if isinstance(value, list):
        return [mended(item, stand_in, f"{pointer}/{place}", free=free) for place, item in enumerate(value)]
    if isinstance(value, dict):
        for name, item in value.items():
            at = f"{pointer}/{escape_pointer(name.replace(stand_in, UNKNOWN))}"
            value[_text(name, stand_in, at, False)] = mended(item, stand_in, at, free=free)
    elif isinstance(value, Struct):
        kind = type(value)
        for name, encoded in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True):
            setattr(value, name, mended(getattr(value, name), stand_in, f"{pointer}/{encoded}", free=name in _free(kind)))
    return value


def _text(text: str | Raw, stand_in: str, pointer: str, free: bool) -> str | Raw:
    here = stand_in in text if isinstance(text, str) else _escape(stand_in) in bytes(text)
    if here and not free:
        raise Invalid.at(pointer, WHY)
    return text.replace(stand_in, UNKNOWN) if isinstance(text, str) else text


@cache
def _free(kind: type[Struct]) -> frozenset[str]:
    """The fields of a request whose texts are mended."""
    return frozenset(name for name, hint in get_type_hints(kind, include_extras=True).items() if _has_mark(hint))


def _has_mark(hint: Any) -> bool:
    return hint is MENDED or any(map(_has_mark, get_args(hint)))
