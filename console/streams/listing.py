"""The list of streams."""

from __future__ import annotations

from collections.abc import Iterable

from brokerweb.console.listing import Column, Listing
from brokerweb.console.streams import reading
from brokerweb.console.streams.reading import Candidate
from brokerweb.console.templatetags.brokerweb_console import dimmed, number, rate, size


def _most(lags: Iterable[int | None]) -> int | None:
    return max((lag for lag in lags if lag is not None), default=None)


LISTING = Listing[Candidate](
    "streams",
    [
        Column("name", "Stream", lambda row: row.stream.name, fixed=True),
        Column("lately", "Lately", lambda row: None, style="sparks", sortable=False),
        Column("partitions", "Partitions", lambda row: row.sizes.partitions, style="n wide", summed=sum, looks=number),
        Column("low", "Low", lambda row: row.sizes.low, style="n less", live=True),
        Column("end", "End", lambda row: row.sizes.end, style="n less", live=True),
        Column("records", "Records", lambda row: row.sizes.records, style="n", live=True, summed=sum, looks=dimmed),
        Column("size", "Size", lambda row: row.sizes.bytes, style="n mid", live=True, summed=sum, looks=size),
        Column("groups", "Groups", lambda row: row.groups, style="n", summed=sum, looks=dimmed),
        Column("lag", "Left to read", lambda row: row.lag, style="n mid", live=True, summed=_most, looks=number),
        Column("in", "In /s", lambda row: row.rate, style="n wide", live=True, summed=sum, looks=rate),
    ],
    identity=lambda row: str(row.stream.pk),
    rows=reading.candidates,
    suits=reading.suits,
    sort="name",
    parted=True,
)
