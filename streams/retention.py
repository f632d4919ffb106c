"""Retention: the oldest records go, by age, size and count, a small batch a turn; exactly as the rules say.

A batch and the partition's new low offset commit together: a reader sees the record, or learns that it is gone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from brokerweb.core import events
from brokerweb.core.clock import seconds
from brokerweb.storage.transaction import Transaction
from streams.control import C
from streams.definitions import PartitionRow, Q
from streams.models import MAX_OFFSET

LIMIT = 500  # records a turn: what an append may have to wait for


class Rules(NamedTuple):
    age: float | None
    bytes: int | None
    records: int | None


def retain(tx: Transaction, limit: int = LIMIT) -> int:
    """Remove up to ``limit`` records that no rule keeps; how many that were, 0 when all is as it should be."""
    removed = 0
    for partition_id, stream_id, *rules in tx.rows(C.retained):
        removed += trim_by_rules(tx, partition_id, stream_id, Rules(*rules), limit - removed)
        if removed >= limit:
            break
    return removed


def trim_by_rules(tx: Transaction, partition_id: int, stream_id: int, rules: Rules, limit: int) -> int:
    """Remove up to ``limit`` of one partition's oldest records."""
    row = tx.row(Q.partition, partition_id)
    if row is None:
        return 0
    partition = PartitionRow(*row)
    n = size = 0
    low = partition.low
    gone: list[tuple[int, str, int]] = []
    beyond = partition.record_id(partition.end)
    for id, at, weight, key in tx.scan(C.oldest, partition.record_id(partition.low), beyond, limit):
        if not _is_over(tx, partition, rules, (n, size, at)):
            break
        n, size, low = n + 1, size + weight, (id & MAX_OFFSET) + 1
        if key is not None:
            gone.append((partition_id, key, low - 1))
    if n:
        tx.change(C.remove_range, partition.record_id(partition.low), partition.record_id(low))
        tx.change_many(C.forget_latest, gone)
        tx.change(C.trim, partition_id, low, n, size)
        tx.outcome.stream_event(events.TRIMMED, stream_id, n)
        tx.outcome.trimmed.add(partition_id)
    return n


def _is_over(tx: Transaction, partition: PartitionRow, rules: Rules, seen: tuple[int, int, Any]) -> bool:
    """Whether the oldest record must go when ``n`` records of ``size`` bytes before it have gone."""
    n, size, at = seen
    return (
        (rules.age is not None and at <= tx.now - seconds(rules.age))
        or (rules.bytes is not None and partition.bytes - size > rules.bytes)
        or (rules.records is not None and partition.records - n > rules.records)
    )
