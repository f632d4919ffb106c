"""The lists of a queue's messages. There may be millions: by id all can be reached, by cursors of their own; by what they are the
newest of them are sorted. Those that have ended and are kept stand by id alone.
"""

from __future__ import annotations

from dataclasses import replace

from brokerweb.console.listing import Column, Listing
from brokerweb.console.messages.reading import NEWEST, Sorted
from brokerweb.console.templatetags.brokerweb_console import state_of

LISTING = Listing[Sorted](
    "messages",
    [
        Column("id", "Id", lambda row: row.message.pk, fixed=True),
        Column("state", "State", lambda row: state_of(row.message), live=True),
        Column("body", "Body", lambda row: None, style="mid", sortable=False),
        Column("about", "Key", lambda row: row.about, style="wide", live=True),
        Column("priority", "Priority", lambda row: row.message.priority, style="n less"),
        Column("failures", "Failures", lambda row: row.message.failures, style="n", live=True),
        Column("published", "Published", lambda row: row.message.published_at, style="wide", zoned=True),
        Column("time", "Since or until", lambda row: row.message.due, style="wide", live=True),
    ],
    identity=lambda row: str(row.message.pk),
    sort="-id",
    filters=("state", "key"),
    by_id="id",
    newest=NEWEST,
)
SETTLED = replace(LISTING, columns=[replace(column, sortable=column.key == "id") for column in LISTING.columns], newest=None)
