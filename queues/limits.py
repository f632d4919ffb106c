"""What a message may have, whoever brings it: ranges, and checks that raise Invalid with the place they are told."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from brokerweb.core.errors import Invalid
from brokerweb.core.names import parse_destination
from brokerweb.queues.settings import SETTINGS

MAX_DEPTH = 100
MAX_HEADERS, MAX_HEADER_BYTES = 64, 16 * 1024
MAX_TEXT_BYTES = 255
MAX_DELAY = 366 * 86_400
MAX_ERROR_CHARACTERS = 2_000
TRACEBACK = "Traceback (most recent call last)"  # the last line of one says what went wrong
MAX_LAST_LINE = 500
NUL = "a NUL character cannot be stored"  # by PostgreSQL, in no text
MIN_TTL, MAX_TTL = 0.001, 100 * MAX_DELAY  # far beyond use; keeps instants within 63 bits

Priority = Annotated[int, Meta(ge=0, le=9)]
Delay = Annotated[float, Meta(ge=0, le=MAX_DELAY)]
Ttl = Annotated[float, Meta(ge=MIN_TTL, le=MAX_TTL)]
Lease = Annotated[float, Meta(ge=SETTINGS["lease"].low, le=SETTINGS["lease"].high)]


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
        raise Invalid.at(pointer, "half a surrogate pair cannot be stored") from None


def cut(error: str | None) -> str | None:
    """An error's text, cut to what is kept, a traceback in its middle; what cannot be stored, NUL and halves of surrogate pairs
    (Python has them for the bytes of a file's name that are no text), is replaced rather than refused."""
    if not error:
        return None
    kept = _shortened(error).replace("\0", "\ufffd")
    return kept if kept.isascii() else kept.encode(errors="replace").decode()


def _shortened(error: str) -> str:
    if len(error) <= MAX_ERROR_CHARACTERS or TRACEBACK not in error[:MAX_ERROR_CHARACTERS]:
        return error[:MAX_ERROR_CHARACTERS]
    end = "\n…\n" + error.rstrip().rpartition("\n")[2][:MAX_LAST_LINE]
    return error[: MAX_ERROR_CHARACTERS - len(end)] + end


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
