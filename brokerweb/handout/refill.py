"""Refill: the next records of a stream are stored in a shared group's queue, already leased to whoever has room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from brokerweb.core import events
from brokerweb.core.allotment import allot
from brokerweb.core.checksums import NEVER, checksum
from brokerweb.core.clock import seconds
from brokerweb.core.errors import OffsetOutOfRange
from brokerweb.queues import contents, counters, dead_letters, sequence
from brokerweb.queues.definitions import Definition
from brokerweb.queues.leasing import Terms, Want
from brokerweb.queues.messages import Leased
from brokerweb.queues.rows import Ending, MessageRow
from brokerweb.queues.states import State
from brokerweb.storage.locks import Lock
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import reading
from brokerweb.streams.definitions import PartitionRow
from brokerweb.streams.records import Batch, StoredRecord

Q = Statements("brokerweb.handout", "handout.sql")
PRIORITY = 4


class Cursor(NamedTuple):
    """Where a group takes its next record from a partition."""

    partition: PartitionRow
    offset: int


def hold(tx: Transaction, queue_id: int) -> None:
    """Until the commit nobody else takes records for a shared group; asked before any message of its queue is touched."""
    tx.alone(Lock.TURN, queue_id)


def refill(tx: Transaction, source: Definition, wants: Sequence[Want], most_bytes: int) -> tuple[list[list[Leased]], bool]:
    """Take the next records from the stream of a group's queue; each one's share, leased, and whether more are there."""
    group = tx.row(Q.group_of_queue, source.id)
    room = sum(want.limit for want in wants)
    if group is None or room <= 0 or most_bytes <= 0:
        return [[] for _ in wants], False
    group_id, _ = group
    taken, more = _take(tx, group_id, room, most_bytes)
    damaged = [record for record in taken if record.damaged]
    if damaged:
        taken, more = [record for record in taken if not record.damaged], True
        _bury(tx, source, damaged)
    shares = allot(len(taken), [(want.unsettled, want.limit) for want in wants])
    ids = sequence.take(tx, len(taken), stored=all(want.terms.acknowledge for want in wants)) if taken else ()
    records = iter(zip(ids, taken, strict=True))
    return [
        _adopt(tx, source, want.terms, [item for _, item in zip(range(n), records, strict=False)])
        for n, want in zip(shares, wants, strict=True)
    ], more


def _take(tx: Transaction, group_id: int, room: int, most_bytes: int) -> tuple[list[StoredRecord], bool]:
    """Up to ``room`` records that nobody had yet, a fair part of each partition; the cursors move behind them."""
    cursors = [Cursor(PartitionRow(*partition), offset) for *partition, offset in tx.rows(Q.cursors, group_id)]
    taken: list[StoredRecord] = []
    more = False
    for left, cursor in zip(range(len(cursors), 0, -1), cursors, strict=True):
        partition, following = cursor.partition, max(cursor.offset, cursor.partition.low)  # behind what retention took
        wanted = -(-(room - len(taken)) // left)
        if wanted > 0 and following < partition.end:
            batch = _read(tx, partition, following, wanted)
            following = batch.next
            for record in batch.records:
                if taken and most_bytes < len(record.body):
                    following = record.offset
                    break
                most_bytes -= len(record.body)
                taken.append(record)
        more = more or following < partition.end
        tx.exactly(1, tx.change(Q.move_cursor, group_id, partition.id, cursor.offset, following))
    return taken, more


def _read(tx: Transaction, partition: PartitionRow, offset: int, limit: int) -> Batch:
    """The next records; where retention passes by meanwhile, those behind it."""
    while True:
        try:
            return reading.read(tx, partition, offset, limit)
        except OffsetOutOfRange as passed:
            partition = partition._replace(low=int(passed.extra["low"]), end=int(passed.extra["end"]))
            offset = max(offset, partition.low)


def _adopt(tx: Transaction, source: Definition, terms: Terms, records: list[tuple[int, StoredRecord]]) -> list[Leased]:
    """The records become messages of the group's queue, leased; with no acknowledgement they are gone at once."""
    if not records:
        return []
    length = terms.lease or source.lease
    until = tx.now + seconds(length)
    rows = [_row(source, id, record, terms, until)._replace(leased_at=tx.now) for id, record in records]
    leased = [
        Leased.of(row, length, acknowledge=terms.acknowledge, place=(record.partition, record.offset))
        for row, (_, record) in zip(rows, records, strict=True)
    ]
    if terms.acknowledge:
        contents.insert(tx, rows)
        counters.count(tx, source.id, State.LEASED, len(leased))
        tx.outcome.due(until)
    else:
        tx.outcome.settled.add(source.id)
    tx.outcome.event(events.DELIVERED, source.id, len(leased))
    return leased


def _bury(tx: Transaction, source: Definition, records: list[StoredRecord]) -> None:
    """Damaged records are dead letters of the group at once: with their place, and nothing of what they held."""
    ids = sequence.take(tx, len(records), stored=True)
    nobody = Terms("")
    rows = [
        _row(source, id, record, nobody, tx.now)._replace(attempts=0, holder=None, checksum=NEVER)
        for id, record in zip(ids, records, strict=True)
    ]
    contents.insert(tx, rows)
    counters.count(tx, source.id, State.LEASED, len(rows))
    for row in rows:
        dead_letters.bury_damaged(tx, source, Ending(row.id, State.LEASED, 0))


def _row(source: Definition, id: int, r: StoredRecord, terms: Terms, until: int) -> MessageRow:
    return MessageRow(
        id, source.id, State.LEASED, PRIORITY, 1, False, until, None, None, r.key, terms.holder,
        route_of(r.partition, r.offset), None, None, r.appended_at, r.headers, r.content_type, r.binary, r.body, r.reply_to,
        r.correlation_id, None, checksum(id, r), r.redacted,
    )  # fmt: skip


def route_of(partition: int, offset: int) -> str:
    """Where a message of a shared group's queue came from, as its row has it."""
    return f"{partition}-{offset}"
