"""The list of a partition's records. There may be millions: pages go up and down by offset, and the rows of one are sorted."""

from __future__ import annotations

from typing import Any

from brokerweb.console.listing import Column, Listing

LISTING = Listing[Any](
    "records",
    [
        Column("offset", "Offset", lambda record: record.pk, fixed=True),
        Column("body", "Body", lambda record: None, style="mid", sortable=False),
        Column("key", "Key", lambda record: record.key),
        Column("size", "Size", lambda record: record.size, style="n wide"),
        Column("appended", "Appended", lambda record: record.appended_at, style="wide", zoned=True),
    ],
    identity=lambda record: str(record.pk),
    filters=("partition", "from", "offset", "time"),
    as_found=True,
    within=True,
)
