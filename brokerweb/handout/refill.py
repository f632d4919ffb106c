"""Refill: the next records of a stream are stored in a shared group's queue, already leased to whoever has room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from brokerweb.core import events
from brokerweb.core.allotment import allot
from brokerweb.core.clock import seconds
from brokerweb.queues import counters, sequence
from brokerweb.queues.definitions import Definition
from brokerweb.queues.definitions import Q as QUEUES
from brokerweb.queues.leasing import Terms, Want
from brokerweb.queues.messages import Leased
from brokerweb.queues.states import State
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import reading
from brokerweb.streams.definitions import PartitionRow
from brokerweb.streams.records import StoredRecord

Q = Statements("brokerweb.handout", "handout.sql")
PRIORITY = 4


class Cursor(NamedTuple):
    """Where a group takes its next record from a partition."""

    partition: PartitionRow
    offset: int


def refill(tx: Transaction, source: Definition, wants: Sequence[Want], most_bytes: int) -> tuple[list[list[Leased]], bool]:
    """Take the next records from the stream of a group's queue; each one's share, leased, and whether more are there."""
    row = tx.row(Q.group_of_queue, source.id)
    room = sum(want.limit for want in wants)
    if row is None or room <= 0 or most_bytes <= 0:
        return [[] for _ in wants], False
    taken, more = _take(tx, row[0], room, most_bytes)
    shares = allot(len(taken), [(want.unsettled, want.limit) for want in wants])
    first = sequence.take(tx, len(taken), stored=all(want.terms.acknowledge for want in wants)) if taken else 0
    records = iter(enumerate(taken, first))
    return [
        _adopt(tx, source, want.terms, [item for _, item in zip(range(n), records, strict=False)])
        for n, want in zip(shares, wants, strict=True)
    ], more


def _take(tx: Transaction, group_id: int, room: int, most_bytes: int) -> tuple[list[StoredRecord], bool]:
    """Up to ``room`` records that nobody had yet, a fair part of each partition; the cursors move behind them."""
    cursors = [Cursor(PartitionRow(*row[:7]), row[7]) for row in tx.rows(Q.cursors, group_id)]
    taken: list[StoredRecord] = []
    more = False
    for left, cursor in zip(range(len(cursors), 0, -1), cursors, strict=True):
        partition, following = cursor.partition, max(cursor.offset, cursor.partition.low)  # behind what retention took
        wanted = -(-(room - len(taken)) // left)
        if wanted > 0 and following < partition.end:
            batch = reading.read(tx, partition, following, wanted)
            following = batch.next
            for record in batch.records:
                if taken and most_bytes < len(record.body):
                    following = record.offset
                    break
                most_bytes -= len(record.body)
                taken.append(record)
        more = more or following < partition.end
        tx.change(Q.move_cursor, group_id, partition.id, cursor.offset, following)
    return taken, more


def _adopt(tx: Transaction, source: Definition, terms: Terms, records: list[tuple[int, StoredRecord]]) -> list[Leased]:
    """The records become messages of the group's queue, leased; with no acknowledgement they are gone at once."""
    if not records:
        return []
    length = terms.lease or source.lease
    until = tx.now + seconds(length)
    leased = [_leased(source, id, record, (length, until, terms.acknowledge)) for id, record in records]
    if terms.acknowledge:
        tx.change_many(
            QUEUES.insert, [_row(message, record, terms.holder) for message, (_, record) in zip(leased, records, strict=True)]
        )
        counters.count(tx, source.id, State.LEASED, len(leased))
        tx.outcome.due(until)
    tx.outcome.event(events.DELIVERED, source.id, len(leased))
    return leased


def _leased(source: Definition, id: int, r: StoredRecord, lease: tuple[float, int, bool]) -> Leased:
    length, until, acknowledge = lease
    receipt = f"{source.id}-{id}-1" if acknowledge else None
    return Leased(
        id, source.id, 1, 0, PRIORITY, r.key, r.headers, r.content_type, r.binary, r.body, r.appended_at, None, r.reply_to,
        r.correlation_id, id, until, length, receipt, place=(r.partition, r.offset),
    )  # fmt: skip


def _row(m: Leased, record: StoredRecord, holder: str) -> tuple[Any, ...]:
    return (
        m.id, m.queue_id, State.LEASED, PRIORITY, 1, False, m.lease_until, None, m.published_at, None, m.key, m.headers,
        m.content_type, m.binary, m.body, m.reply_to, m.correlation_id, holder, None,
        route_of(record.partition, record.offset), None,
    )  # fmt: skip


def route_of(partition: int, offset: int) -> str:
    """Where a message of a shared group's queue came from, as its row has it."""
    return f"{partition}-{offset}"
