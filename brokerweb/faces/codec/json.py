"""JSON as every face takes and writes it: the one place that parses it, bounds it, and says where a fault is.

Strict in: an unknown field is an error. A JSON body is never decoded and encoded again: it goes in and out as the very text
it came as (``msgspec.Raw``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from brokerweb.core import clock
from brokerweb.core.errors import Invalid
from brokerweb.core.misfits import NO_INSTANT, invalid
from brokerweb.faces.codec import half_pairs
from brokerweb.queues.limits import MAX_DELAY, MAX_DEPTH, MAX_HEADERS, MAX_TEXT_BYTES

T = TypeVar("T")
R = TypeVar("R")

# The patterns are for the OpenAPI document alone: what they say is checked where a message turns out to need it.
Text = Annotated[str, Meta(extra_json_schema={"maxLength": MAX_TEXT_BYTES, "pattern": "^[^\\u0000]*$"})]
# Half a surrogate pair in these costs nobody anything: it becomes U+FFFD. What a receipt then says is no receipt.
FreeText = Annotated[str, half_pairs.MENDED]
Receipt = Annotated[str, half_pairs.MENDED]
MediaType = Annotated[str, Meta(extra_json_schema={"maxLength": MAX_TEXT_BYTES, "pattern": "^[ -~]*$"})]
Destination = Annotated[
    str,
    Meta(extra_json_schema={"pattern": "^(queue|stream|topic):[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$"}, examples=["queue:answers"]),
]
Headers = Annotated[dict[str, str], Meta(extra_json_schema={"maxProperties": MAX_HEADERS})]
AnyInstant = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
_BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
Base64 = Annotated[bytes, Meta(extra_json_schema={"pattern": _BASE64})]


class Strict(Struct, forbid_unknown_fields=True, gc=False):
    """A JSON object in which an unknown field is an error."""


# In


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decode(kind: type[T], data: bytes | str) -> T:
    """``data`` as a ``kind``. Raises Invalid, with a pointer where the fault has a place.

    Bytes are checked as UTF-8 first: ``Raw`` would let invalid UTF-8 in bodies through, and one such body closes
    every text WebSocket it is sent to.
    """
    try:
        if isinstance(data, bytes):
            str(data, "utf-8")
        return _decoded(kind, data)
    except UnicodeError:
        raise Invalid(
            "the request is not valid UTF-8",
            errors=[{"pointer": "", "detail": "not valid UTF-8"}],
        ) from None
    except RecursionError:
        raise Invalid.at("", f"JSON nests deeper than {MAX_DEPTH}") from None
    except msgspec.DecodeError as error:  # ValidationError too
        raise invalid(str(error), kind) from None


def _decoded(kind: type[T], data: bytes | str) -> T:
    """``data`` as a ``kind``; free texts in it may have halves of surrogate pairs."""
    decoder: msgspec.json.Decoder[T] = _decoder(kind)  # type: ignore[arg-type]  # a type is hashable
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:  # a half is one, and msgspec finds words for it that are not always true
        replaced = half_pairs.replaced(data if isinstance(data, bytes) else data.encode())
        if replaced is None:
            raise
        text, stand_in = replaced
    try:
        decoded: T = half_pairs.mended(decoder.decode(text), stand_in)
        return decoded
    except msgspec.DecodeError as error:
        raise invalid(str(error).replace(stand_in, half_pairs.UNKNOWN), kind) from None


def each(convert: Callable[[T], R], items: Sequence[T], pointer: str) -> list[R]:
    """Every item converted. Raises Invalid with pointers below ``pointer`` and the item's place."""
    try:
        return [convert(item) for item in items]
    except Invalid:  # once more, to say where: pointers cost too much to be made for every good item
        return [located(convert, item, f"{pointer}/{index}") for index, item in enumerate(items)]


def located(convert: Callable[[T], R], item: T, pointer: str) -> R:
    """One item converted. Raises Invalid with pointers below ``pointer``."""
    try:
        return convert(item)
    except Invalid as error:
        fault = error.extra["errors"][0]
        raise Invalid.at(pointer + fault["pointer"], fault["detail"]) from None


def check_instant(text: str, pointer: str) -> int:
    """An RFC 3339 instant, at most 366 days ahead. Raises Invalid."""
    try:
        instant = clock.parse_rfc3339(text)
    except (ValueError, OverflowError):
        raise Invalid.at(pointer, NO_INSTANT) from None
    if instant > clock.wall() + clock.seconds(MAX_DELAY):
        raise Invalid.at(pointer, "more than 366 days ahead")
    return instant


# Out


_encode = msgspec.json.Encoder().encode


def quoted(value: str) -> bytes:
    """A text as JSON."""
    return _encode(value)


def text_or_null(value: str | None) -> str:
    """A text as JSON, or ``null``; as the part of a line that is yet to be encoded."""
    return "null" if value is None else _encode(value).decode()


@lru_cache(maxsize=256)
def _to_second(second: int) -> str:
    return clock.rfc3339(second * clock.SECOND)[:19]


def lasting_or_null(instant: int | None) -> str:
    """An instant of the broker's clock as JSON, as the wall names it."""
    return instant_or_null(None if instant is None else clock.to_wall(instant))


def instant_or_null(instant: int | None) -> str:
    """The instant as JSON; as ``clock.rfc3339`` writes it, which takes fifteen times as long."""
    if instant is None:
        return "null"
    second, micro = divmod(instant, clock.SECOND)
    return f'"{_to_second(second)}.{micro:06d}Z"'
