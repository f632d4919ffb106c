"""Retention: the oldest records go, by age, size and count, a small batch a turn; exactly as the rules say.

A batch and the partition's new low offset commit together: a reader sees the record, or learns that it is gone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from brokerweb.core import batches, clock, events
from brokerweb.storage.locks import Lock
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import fields
from brokerweb.streams.control import C
from brokerweb.streams.definitions import PartitionRow, Q
from brokerweb.streams.records import Oldest

LIMIT = 500  # records a turn: what an append may have to wait for


class Rules(NamedTuple):
    age: float | None
    bytes: int | None
    records: int | None


class Turn:
    """What one commit removes: so many records at most, and so many bytes or one larger record."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.records = self.bytes = 0
        self.over = False

    def takes(self, weight: int) -> bool:
        """Whether one more record goes."""
        self.over = self.records >= self.limit or (self.records > 0 and self.bytes + weight > batches.TURN_BYTES)
        if not self.over:
            self.records, self.bytes = self.records + 1, self.bytes + weight
        return not self.over


def retain(tx: Transaction, limit: int = LIMIT) -> int:
    """Remove a turn's records that no rule keeps; how many that were, ``limit`` where there may be more."""
    turn = Turn(limit)
    for partition_id, stream_id, *rules in tx.rows(C.retained):
        trim_by_rules(tx, partition_id, stream_id, Rules(*rules), turn)
        if turn.over or turn.records >= limit:
            return limit
    return turn.records


def trim_by_rules(tx: Transaction, partition_id: int, stream_id: int, rules: Rules, turn: Turn) -> None:
    """Remove a turn's part of one partition's oldest records."""
    tx.alone(Lock.RECORDS, partition_id)  # what is weighed is removed by nobody else, and counted down once
    row = tx.row(Q.partition, partition_id)
    if row is None:
        return
    partition = PartitionRow(*row)
    n = size = 0
    low = partition.low
    gone: list[tuple[int, str, int]] = []
    cut = None if rules.age is None else _cut(tx, clock.seconds(rules.age))
    beyond = partition.record_id(partition.end)
    for row in tx.scan(C.oldest, partition.record_id(partition.low), beyond, turn.limit):
        record = Oldest(*row)
        if not _is_over(partition, rules, cut, (n, size, record.appended_at)) or not turn.takes(record.weight):
            break
        n, size, low = n + 1, size + record.weight, record.offset + 1
        if record.key is not None:
            gone.append((partition_id, record.key, record.offset))
    if n:
        tx.change(C.remove_range, partition.record_id(partition.low), partition.record_id(low))
        tx.change_many(C.forget_latest, gone)
        fields.forget_between(tx, stream_id, partition.record_id(partition.low), partition.record_id(low))
        tx.change(C.trim, partition_id, low, n, size)
        tx.outcome.stream_event(events.TRIMMED, stream_id, n)
        tx.outcome.trimmed.add(partition_id)


def _cut(tx: Transaction, age: int) -> int:
    """The newest stamp that is too old by both clocks: less than that age by one of them is not what people asked for.

    On the broker's every record has its true age: those that go now were stamped by the wall as it was then.
    """
    return min(clock.wall_at(tx.now - age), tx.wall - age)


def _is_over(partition: PartitionRow, rules: Rules, cut: int | None, seen: tuple[int, int, Any]) -> bool:
    """Whether the oldest record must go when ``n`` records of ``size`` bytes before it have gone; up to ``cut`` it is too old."""
    n, size, at = seen
    return (
        (cut is not None and at <= cut)
        or (rules.bytes is not None and partition.bytes - size > rules.bytes)
        or (rules.records is not None and partition.records - n > rules.records)
    )
