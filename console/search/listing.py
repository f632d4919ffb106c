"""What a search found, as a list. A page is what it finds in its time: the rows of one are sorted, and a view is a search."""

from __future__ import annotations

from brokerweb.console.listing import Column, Listing
from brokerweb.console.search.reading import Row

LISTING = Listing[Row](
    "search",
    [
        Column("message", "Message and where", lambda row: f"{row.destination} {row.title}", fixed=True),
        Column("state", "State", lambda row: row.state or "record"),
        Column("body", "Body", lambda row: row.excerpt, style="mid"),
        Column("key", "Key", lambda row: row.message_key, style="wide"),
        Column("published", "Published", lambda row: row.at, style="wide", zoned=True),
    ],
    identity=lambda row: row.key,
    filters=("in",),
    as_found=True,
    within=True,
)
