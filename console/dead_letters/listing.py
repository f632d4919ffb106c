"""The lists of dead letters, of queues and of a shared group: by when they were published, which is the order of ids; by what
they are the newest of them."""

from __future__ import annotations

from datetime import datetime

from brokerweb.console import holding
from brokerweb.console.dead_letters import reading
from brokerweb.console.dead_letters.reading import Candidate
from brokerweb.console.holding import Held
from brokerweb.console.listing import Column, Listing
from brokerweb.core import clock
from brokerweb.streams.models import OFFSET_BITS


def _about(row: Candidate) -> str:
    return f"{row.letter.reason} {row.letter.last_error or ''}"


def _since(row: Candidate) -> datetime:
    return clock.to_datetime(clock.to_wall(row.letter.due_at))


def _record(row: Candidate) -> int | None:
    """By partition and offset, as numbers."""
    partition, _, offset = (row.letter.route or "").partition("-")
    return (int(partition) << OFFSET_BITS) + int(offset) if partition.isdecimal() and offset.isdecimal() else None


LISTING = Listing[Candidate](
    "dead",
    [
        Column("message", "Message", lambda row: row.letter.id, fixed=True),
        Column("about", "Reason and last error", _about, style="wide"),
        Column("failures", "Failures", lambda row: row.letter.failures, style="n wide"),
        Column("since", "Dead since", _since, style="wide", zoned=True),
    ],
    identity=lambda row: str(row.letter.id),
    sort="-message",
    filters=("queue", "reason"),
    by_id="message",
    rows=reading.newest,
    some=reading.some,
    newest=reading.NEWEST,
)
OF_GROUP = Listing[Candidate](
    "group-dead",
    [
        Column("message", "Message", lambda row: row.letter.id, fixed=True),
        Column("record", "Record", _record, style="wide"),
        Column("about", "Reason and last error", _about, style="wide"),
        Column("failures", "Failures", lambda row: row.letter.failures, style="n wide"),
        Column("since", "Dead since", _since, style="wide", zoned=True),
    ],
    identity=lambda row: str(row.letter.id),
    sort="-message",
    filters=("reason",),
    by_id="message",
    rows=reading.newest_of_group,
    some=reading.some_of_group,
    newest=reading.NEWEST,
)
IN_FLIGHT = Listing[Held](
    "group-in-flight",
    holding.HELD,
    identity=lambda item: str(item.message.pk),
    filters=("connection",),
    as_found=True,
    within=True,
)
