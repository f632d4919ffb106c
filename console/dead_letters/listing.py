"""The lists of dead letters, of queues and of a shared group: by when they were published, which is the order of ids; by what
they are the newest of them."""

from __future__ import annotations

from brokerweb.console import holding
from brokerweb.console.dead_letters import reading
from brokerweb.console.dead_letters.reading import DeadRow
from brokerweb.console.holding import Held
from brokerweb.console.listing import Column, Listing
from brokerweb.queues.models import Message
from brokerweb.streams.models import OFFSET_BITS


def _about(message: Message) -> str:
    return f"{message.reason} {message.last_error or ''}"


def _record(message: Message) -> int | None:
    """By partition and offset, as numbers."""
    partition, _, offset = (message.route or "").partition("-")
    return (int(partition) << OFFSET_BITS) + int(offset) if partition.isdecimal() and offset.isdecimal() else None


LISTING = Listing[DeadRow](
    "dead",
    [
        Column("message", "Message", lambda row: row.message.pk, fixed=True),
        Column("about", "Reason and last error", lambda row: _about(row.message), style="wide"),
        Column("failures", "Failures", lambda row: row.message.failures, style="n wide"),
        Column("since", "Dead since", lambda row: row.message.due_at, style="wide", zoned=True),
    ],
    identity=lambda row: str(row.message.pk),
    sort="-message",
    filters=("queue", "reason"),
    by_id="message",
    rows=reading.newest,
    some=reading.some,
    newest=reading.NEWEST,
)
OF_GROUP = Listing[Message](
    "group-dead",
    [
        Column("message", "Message", lambda message: message.pk, fixed=True),
        Column("record", "Record", _record, style="wide"),
        Column("about", "Reason and last error", _about, style="wide"),
        Column("failures", "Failures", lambda message: message.failures, style="n wide"),
        Column("since", "Dead since", lambda message: message.due_at, style="wide", zoned=True),
    ],
    identity=lambda message: str(message.pk),
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
