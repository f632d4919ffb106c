"""Redaction of a record with the copies that shared groups have of it, leased, waiting or dead, in one commit."""

from __future__ import annotations

from typing import NamedTuple

from brokerweb.core.errors import NotFound, OffsetOutOfRange
from brokerweb.handout.refill import Q, hold, route_of
from brokerweb.queues.redaction import redact_one
from brokerweb.queues.selection import Q as MESSAGES
from brokerweb.storage.declared import declaring
from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import redaction
from brokerweb.streams.definitions import Definition, load


class Copies(NamedTuple):
    """What groups had of a record when they were looked through: by queue, of messages up to ``newest``."""

    by_queue: dict[int, list[int]]
    newest: int


def look(reads: Reads, stream: str, number: int, offset: int) -> Copies:
    """Find the copies outside of any commit, since dead letters may be many. Raises NotFound."""
    found = load(reads, stream)
    newest = reads.value(MESSAGES.newest_id)
    queues = [queue_id for (queue_id,) in reads.rows(Q.group_queues, found.id)]
    return Copies({queue_id: _copies(reads, queue_id, 0, number, offset) for queue_id in queues}, newest)


def _copies(reads: Reads, queue_id: int, after: int, number: int, offset: int) -> list[int]:
    return [id for (id,) in reads.rows(Q.copies, queue_id, after, route_of(number, offset))]


def redact(tx: Transaction, stream: str, place: tuple[int, int], known: Copies, *, by: str) -> None:
    """What a record held is gone, and so are its copies. Raises NotFound, and OffsetOutOfRange where there is nothing of it."""
    number, offset = place
    declaring(tx, "stream", stream)  # no group begins to lease its records before they are redacted
    found = load(tx, stream)
    if not 0 <= number < len(found.partitions):
        raise NotFound(f"Stream {stream} has no partition {number}.")
    redacted = _redact_copies(tx, found, place, known, by)
    try:
        redaction.redact(tx, found, number, offset, by=by)
    except (NotFound, OffsetOutOfRange):  # retention or compaction took it; a dead letter of it stays
        if not redacted:
            raise


def _redact_copies(tx: Transaction, found: Definition, place: tuple[int, int], known: Copies, by: str) -> int:
    """How many there were: those that were found, and what came since."""
    redacted = 0
    for (queue_id,) in tx.rows(Q.group_queues, found.id):
        hold(tx, queue_id)  # what is being taken is a copy by then, or taken later
        # Of several writers those who have lower ids may have committed later.
        fits = queue_id in known.by_queue and tx.dialect.single_writer
        ids = _copies(tx, queue_id, known.newest if fits else 0, *place)
        ids += known.by_queue[queue_id] if fits else []
        redacted += sum(redact_one(tx, queue_id, id, by=by) for id in ids)
    return redacted
