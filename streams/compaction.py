"""Compaction: of each key only the last record stays. Offsets keep their meaning; the gaps are read over.

It goes over every record once, in order, a batch a turn, and remembers the newest record of each key; a batch, what it
removed and how far it came commit together, so that it can be killed anywhere.
"""

from __future__ import annotations

from brokerweb.core import batches, events
from brokerweb.storage.locks import Lock
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import fields
from brokerweb.streams.control import C
from brokerweb.streams.models import OFFSET_BITS
from brokerweb.streams.records import Oldest

LIMIT = 500  # records looked at in one turn


def compact(tx: Transaction, limit: int = LIMIT) -> int:
    """Look at up to ``limit`` records, fewer where large ones go; how many that were, ``limit`` when there may be more and 0
    when there is nothing new."""
    seen = 0
    for partition_id, stream_id in tx.rows(C.compacting):
        seen += _compact(tx, partition_id, stream_id, limit - seen)
        if seen >= limit:
            break
    return seen


def _compact(tx: Transaction, partition_id: int, stream_id: int, limit: int) -> int:
    tx.alone(Lock.RECORDS, partition_id)  # what is weighed is removed by nobody else, and counted down once
    start, end = tx.row(C.uncompacted, partition_id) or (0, 0)
    if start == end:  # another node has been faster, or the stream was deleted
        return 0
    base = partition_id << OFFSET_BITS
    found = [Oldest(*row) for row in tx.rows(C.oldest, base | start, base | end, limit)]
    removed = size = 0
    reached = found[-1].offset + 1 if len(found) == limit else end
    for record in found:
        if size > batches.TURN_BYTES:
            reached = record.offset
            break
        if record.key is None:
            continue
        latest = tx.value(C.latest_of, partition_id, record.key)
        if latest is not None and latest < record.offset:
            weight = tx.value(C.weigh, base | latest)
            if weight is not None and tx.change(C.remove, base | latest):
                removed, size = removed + 1, size + weight
                fields.forget_between(tx, stream_id, base | latest, (base | latest) + 1)
        tx.change(C.set_latest, partition_id, record.key, record.offset)
    tx.change(C.compacted, partition_id, reached, removed, size)
    tx.outcome.stream_event(events.COMPACTED, stream_id, removed)
    return limit if size > batches.TURN_BYTES else max(1, len(found))
