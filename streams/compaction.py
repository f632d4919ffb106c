"""Compaction: of each key only the last record stays. Offsets keep their meaning; the gaps are read over.

It goes over every record once, in order, a batch a turn, and remembers the newest record of each key; a batch, what it
removed and how far it came commit together, so that it can be killed anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.json import encode

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
    turn = _Turn(tx, partition_id, found)
    over = turn.go(found)
    following = found[-1].offset + 1 if len(found) == limit else end
    turn.store(stream_id, following if over is None else over)
    return limit if turn.full else max(1, len(found))


class _Turn:
    """What goes of a partition, and what is the newest of each key then. Few statements, however many records."""

    def __init__(self, tx: Transaction, partition_id: int, found: Sequence[Oldest]) -> None:
        self.tx, self.partition_id = tx, partition_id
        keys = sorted({record.key for record in found if record.key is not None})
        rows = tx.rows(C.latest_of, partition_id, encode(keys).decode()) if keys else []
        base = partition_id << OFFSET_BITS
        self.latest = {key: base | offset for key, offset in rows}  # ids
        self.weights = {record.id: record.weight for record in found}
        older = sorted(id for id in self.latest.values() if id not in self.weights)
        if older:
            self.weights.update(tx.rows(C.weigh, partition_id, encode(older).decode()))
        self.newest: dict[str, int] = {}
        self.gone: list[int] = []
        self.size = 0

    @property
    def full(self) -> bool:
        return self.size > batches.TURN_BYTES

    def go(self, found: Sequence[Oldest]) -> int | None:
        """Look at each; the offset of the one that is the next turn's, where this one is full."""
        for record in found:
            if self.full:
                return record.offset
            if record.key is None:
                continue
            before = self.latest.get(record.key)
            if before is not None and before < record.id and before in self.weights:
                self.gone.append(before)
                self.size += self.weights[before]
            self.latest[record.key] = record.id
            self.newest[record.key] = record.offset
        return None

    def store(self, stream_id: int, reached: int) -> None:
        """Write what has become of the partition, and how far it has been looked at."""
        tx, removed = self.tx, len(self.gone)
        if self.gone:
            tx.exactly(removed, tx.change(C.remove, self.partition_id, encode(sorted(self.gone)).decode()))
            for id in self.gone:
                fields.forget_between(tx, stream_id, id, id + 1)
        tx.change_many(C.set_latest, [(self.partition_id, *newest) for newest in sorted(self.newest.items())])
        tx.change(C.compacted, self.partition_id, reached, removed, self.size)
        tx.outcome.stream_event(events.COMPACTED, stream_id, removed)
