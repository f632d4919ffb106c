"""What a message may have, whoever brings it: ranges, how its errors are kept, and checks of texts, which records have, too."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from brokerweb.core.limits import (
    MAX_DEPTH,
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    MAX_TEXT_BYTES,
    NUL,
    check_content_type,
    check_depth,
    check_destination,
    check_headers,
    check_text,
)
from brokerweb.queues.settings import SETTINGS

__all__ = [
    "MAX_DELAY",
    "MAX_DEPTH",
    "MAX_ERROR_CHARACTERS",
    "MAX_HEADERS",
    "MAX_HEADER_BYTES",
    "MAX_LAST_LINE",
    "MAX_TEXT_BYTES",
    "MAX_TTL",
    "MIN_TTL",
    "NUL",
    "TRACEBACK",
    "Delay",
    "Lease",
    "Priority",
    "Ttl",
    "check_content_type",
    "check_depth",
    "check_destination",
    "check_headers",
    "check_text",
    "cut",
]

MAX_DELAY = 366 * 86_400
MAX_ERROR_CHARACTERS = 2_000
TRACEBACK = "Traceback (most recent call last)"  # the last line of one says what went wrong
MAX_LAST_LINE = 500
MIN_TTL, MAX_TTL = 0.001, 100 * MAX_DELAY  # far beyond use; keeps instants within 63 bits

Priority = Annotated[int, Meta(ge=0, le=9)]
Delay = Annotated[float, Meta(ge=0, le=MAX_DELAY)]
Ttl = Annotated[float, Meta(ge=MIN_TTL, le=MAX_TTL)]
Lease = Annotated[float, Meta(ge=SETTINGS["lease"].low, le=SETTINGS["lease"].high)]


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
