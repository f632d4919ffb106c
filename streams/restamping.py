"""Records with a stamp from a time that never was: the wall was far ahead when they were appended, and has been set back.

Within a partition instants never go back: all that is appended later would bear the last of these stamps, and retention by
age would wait, until the wall gets there, perhaps in years. They get the present's instead, the oldest first.
"""

from __future__ import annotations

from brokerweb.core import clock
from brokerweb.storage.locks import Lock
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import reading
from brokerweb.streams.control import C
from brokerweb.streams.definitions import PartitionRow
from brokerweb.streams.records import Oldest
from brokerweb.streams.retention import LIMIT, Turn


def restamp(tx: Transaction, limit: int = LIMIT) -> int:
    """A turn's records of one partition get another stamp; ``limit`` where there may be more, else 0."""
    running = clock.running()
    if running is None or not running.set_back:
        return 0
    ahead = tx.value(C.ahead, tx.wall + clock.AHEAD)
    if ahead is None:
        return 0
    tx.alone(Lock.RECORDS, ahead)
    row = tx.row(C.lock_partition, ahead, tx.wall + clock.AHEAD)
    if row is None:  # another node has been faster
        return 0
    partition = PartitionRow(*row)
    first = reading.position(tx, partition, tx.wall + 1)
    turn, beyond = Turn(limit), partition.record_id(partition.end)
    offset = partition.end
    for record in (Oldest(*row) for row in tx.scan(C.oldest, partition.record_id(first), beyond, limit + 1)):
        if not turn.takes(record.weight):
            offset = record.offset
            break
    tx.change(C.restamp, partition.record_id(first), partition.record_id(offset), tx.wall)
    if offset == partition.end:
        tx.change(C.stamped, partition.id, tx.wall)
    return limit
