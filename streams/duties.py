"""What must happen to streams by itself, in small bounded turns; each verb answers how much it did."""

from __future__ import annotations

from brokerweb.core import events
from brokerweb.core.batches import fitting
from brokerweb.storage.locks import Lock
from brokerweb.storage.transaction import Transaction
from brokerweb.streams.compaction import compact
from brokerweb.streams.control import C
from brokerweb.streams.groups import delete_groups_of
from brokerweb.streams.models import MAX_OFFSET, OFFSET_BITS
from brokerweb.streams.records import Oldest
from brokerweb.streams.restamping import restamp
from brokerweb.streams.retention import retain

__all__ = ["compact", "forget_dedup", "restamp", "retain", "sweep_deleted"]

LIMIT = 500


def forget_dedup(tx: Transaction, limit: int = LIMIT) -> int:
    """Drop dedup ids past their window."""
    return tx.change(C.forget_dedup, tx.now, limit)


def sweep_deleted(tx: Transaction, limit: int = LIMIT) -> int:
    """Remove some of what deleted streams held, at last their own rows; 0 when nothing is left."""
    stream_id = tx.value(C.deleted_stream)
    if stream_id is None:
        return 0
    removed = delete_groups_of(tx, stream_id)
    if removed:
        return removed
    for (partition_id,) in tx.rows(C.partition_ids, stream_id):
        removed = _sweep_partition(tx, partition_id, limit)
        if removed:
            return removed
    return tx.change(C.forget_stream_dedup, stream_id, limit) or _sweep_stream(tx, stream_id)


def _sweep_partition(tx: Transaction, partition_id: int, limit: int) -> int:
    tx.alone(Lock.RECORDS, partition_id)  # who still compacts or indexes it has ended, and nobody begins
    first, beyond = partition_id << OFFSET_BITS, partition_id << OFFSET_BITS | MAX_OFFSET
    oldest = [Oldest(*row) for row in tx.rows(C.oldest, first, beyond, limit)]
    if oldest:
        n = fitting(record.weight for record in oldest)
        return tx.change(C.remove_range, first, oldest[n - 1].id + 1)
    return tx.change(C.forget_latest_of, partition_id, limit)


def _sweep_stream(tx: Transaction, stream_id: int) -> int:
    tx.change(C.remove_partitions, stream_id)
    tx.outcome.stream_event(events.REMOVED, stream_id)
    return tx.change(C.remove_stream, stream_id)
