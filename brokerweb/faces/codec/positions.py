"""Where to read from, as clients say it: an end, an instant, or an offset by partition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta

from brokerweb.core.errors import Invalid
from brokerweb.faces.codec.json import Strict
from brokerweb.storage.reading import Reads
from brokerweb.streams import reading
from brokerweb.streams.definitions import Definition
from brokerweb.streams.positions import parse_offsets

# What is in them is checked by ``parse_offsets``, which says in which partition a fault is; the rest is for the OpenAPI document.
_Offset = Annotated[
    Any,
    Meta(extra_json_schema={"anyOf": [{"type": "string", "pattern": "^[0-9]{1,13}$"}, {"type": "integer", "minimum": 0}]}),
]
Offsets = Annotated[
    dict[str, _Offset],
    Meta(min_length=1, max_length=1000, extra_json_schema={"propertyNames": {"pattern": "^(0|[1-9][0-9]{0,3})$"}}),
]
Start = str | Mapping[str, Any]


class Commit(Strict):
    """Everything below these offsets is done. The `generation` is needed while the group has members."""

    offsets: Offsets
    generation: Annotated[int, Meta(ge=0)] | None = None


def where(text: str, pointer: str = "/from") -> reading.Where:
    """``earliest``, ``latest`` or an instant. Raises Invalid."""
    try:
        return reading.parse_where(text)
    except ValueError:
        raise Invalid.at(pointer, "is earliest, latest or an RFC 3339 instant") from None


def start(reads: Reads, stream: str, begin: Start, pointer: str = "/from") -> tuple[Definition, dict[int, int]]:
    """The stream, and the offset to begin with in each partition: those it does not name are at their ends.

    Raises NotFound, Invalid, OffsetOutOfRange for an offset that is not there.
    """
    if isinstance(begin, str):
        return reading.positions(reads, stream, where(begin, pointer))
    found, latest = reading.positions(reads, stream, "latest")
    chosen = {}
    for number, offset in parse_offsets(begin, pointer).items():
        reading.check_range(found.partition(number, f"{pointer}/{number}"), offset)
        chosen[number] = offset
    return found, latest | chosen
