"""What text may be, whoever brings it: bounds that queues, streams and topics share, and checks that raise Invalid with the place
they are told."""

from __future__ import annotations

import re

import msgspec

from brokerweb.core.errors import Invalid
from brokerweb.core.names import parse_destination

MAX_DEPTH = 100
MAX_HEADERS, MAX_HEADER_BYTES = 64, 16 * 1024
MAX_TEXT_BYTES = 255
NUL = "a NUL character cannot be stored"  # by PostgreSQL, in no text
HALF = "half a surrogate pair cannot be stored"


def check_text(value: str | None, pointer: str) -> str | None:
    """A short text: at most 255 bytes, and without NUL. Raises Invalid."""
    if value is None:
        return None
    if len(value) > MAX_TEXT_BYTES or (not value.isascii() and len(_encoded(value, pointer)) > MAX_TEXT_BYTES):
        raise Invalid.at(pointer, f"at most {MAX_TEXT_BYTES} bytes")
    if "\0" in value:
        raise Invalid.at(pointer, NUL)
    return value


def _encoded(text: str, pointer: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Invalid.at(pointer, HALF) from None


def check_content_type(value: str | None, pointer: str) -> str | None:
    """A media type as a header may carry it: printable. Raises Invalid."""
    if check_text(value, pointer) and value is not None and not (value.isascii() and value.isprintable()):
        raise Invalid.at(pointer, "a media type is printable ASCII")
    return value or None


def check_destination(value: str | None, pointer: str) -> str | None:
    """A destination such as ``queue:answers``. Raises Invalid."""
    if value is not None:
        parse_destination(value, pointer)
    return value


def check_headers(headers: dict[str, str] | None, pointer: str) -> str | None:
    """Headers as JSON text, or None for none. Raises Invalid."""
    if not headers:
        return None
    if len(headers) > MAX_HEADERS:
        raise Invalid.at(pointer, f"at most {MAX_HEADERS} headers")
    joined = "".join([*headers, *headers.values()])
    if len(_encoded(joined, pointer)) > MAX_HEADER_BYTES:
        raise Invalid.at(pointer, f"at most {MAX_HEADER_BYTES} bytes in all")
    if "\0" in joined:
        raise Invalid.at(pointer, NUL)
    return msgspec.json.encode(headers).decode()


def check_depth(json: bytes, pointer: str = "") -> None:
    """Raises Invalid where JSON, already known to be well-formed, nests deeper than 100."""
    # Counting by replace: it searches with memchr, which bytes.count does not; most texts end here.
    opens = 2 * len(json) - len(json.replace(b"{", b"")) - len(json.replace(b"[", b""))
    if opens > MAX_DEPTH and _depth(json) > MAX_DEPTH:
        raise Invalid.at(pointer, f"JSON nests deeper than {MAX_DEPTH}")


_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


def _depth(json: bytes) -> int:
    depth = deepest = 0
    for token in _BRACKETS.findall(json):
        if token in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif token in b"]}":
            depth -= 1
    return deepest
