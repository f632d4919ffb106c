"""Where to read from, as clients say it: an end, an instant, or an offset by partition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from brokerweb.core import clock
from brokerweb.core.errors import Invalid
from brokerweb.faces import wire
from brokerweb.faces.records import Offset
from streams import reading
from streams.definitions import Definition, Reads

Offsets = Annotated[dict[Annotated[str, Meta(pattern=r"^[0-9]{1,4}$")], Offset], Meta(min_length=1, max_length=1000)]
Start = str | Mapping[str, str | int]


class Commit(wire.Strict):
    """Everything below these offsets is done. The `generation` is needed while the group has members."""

    offsets: Offsets
    generation: Annotated[int, Meta(ge=0)] | None = None


def where(text: str, pointer: str = "/from") -> reading.Where:
    """``earliest``, ``latest`` or an instant. Raises Invalid."""
    if text == "earliest" or text == "latest":
        return text  # type: ignore[return-value]  # one of the two literals
    try:
        return clock.parse_rfc3339(text)
    except (ValueError, OverflowError):
        raise Invalid.at(pointer, "is earliest, latest or an RFC 3339 instant") from None


def start(reads: Reads, stream: str, begin: Start) -> tuple[Definition, dict[int, int]]:
    """The stream, and the offset to begin with in each partition it names, or in all.

    Raises NotFound, Invalid, OffsetOutOfRange for an offset that is not there.
    """
    if isinstance(begin, str):
        return reading.positions(reads, stream, where(begin))
    found, latest = reading.positions(reads, stream, "latest")
    chosen = {}
    for number, offset in begin.items():
        partition = found.partition(int(number), f"/from/{number}")
        reading.check_range(partition, int(offset))
        chosen[partition.number] = int(offset)
    return found, latest | chosen
