"""Lease, for every queue: a shared group's is fed from its stream when what it has is not enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from brokerweb.core import events
from brokerweb.core.allotment import allot
from brokerweb.core.batches import ANSWER_BYTES
from brokerweb.core.clock import seconds
from brokerweb.core.errors import NotFound
from brokerweb.queues import counters, leasing, readiness, sequence
from brokerweb.queues.definitions import Definition, find, find_by_id
from brokerweb.queues.definitions import Q as QUEUES
from brokerweb.queues.leasing import ROUND_BYTES, Terms, Want, round_bytes
from brokerweb.queues.messages import Handout, Leased
from brokerweb.queues.rows import MessageRow
from brokerweb.queues.states import State
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import reading
from brokerweb.streams.definitions import PartitionRow
from brokerweb.streams.records import Batch, StoredRecord

Q = Statements("brokerweb.handout", "sharing.sql")
PRIORITY = 4


class Cursor(NamedTuple):
    """Where a group takes its next record from a partition."""

    partition: PartitionRow
    offset: int


def lease(tx: Transaction, queue: str | int, limit: int, terms: Terms) -> Handout:
    """``leasing.lease`` from a queue by name, or from a shared group's by its queue's id. Raises NotFound."""
    source = find(tx, queue) if isinstance(queue, str) else _existing(tx, queue)
    handout = leasing.lease(tx, source.name, limit, terms)
    room = limit - len(handout.messages)
    if source.stream is None or handout.paused or handout.more or room <= 0:
        return handout
    size = sum(len(message.body) for message in handout.messages)
    fed = _feed(tx, source, [Want(room, terms)], ANSWER_BYTES - size)
    return Handout(handout.messages + fed[0][0], more=fed[1])


def lease_round(tx: Transaction, queue_id: int, wants: Sequence[Want]) -> tuple[list[list[Leased]], Handout]:
    """``leasing.lease_round``, and then from the stream, for those who have room left. Raises NotFound."""
    parts, rest = leasing.lease_round(tx, queue_id, wants)
    source = find_by_id(tx, queue_id)
    if source is None or source.stream is None or rest.paused or rest.more:
        return parts, rest
    left = [_left(want, part) for want, part in zip(wants, parts, strict=True)]
    fed, more = _feed(tx, source, left, round_bytes(left))
    return [part + new for part, new in zip(parts, fed, strict=True)], rest._replace(more=more)


def _left(want: Want, part: list[Leased]) -> Want:
    """What somebody still wants after being given that part: nothing, if it may fill an answer."""
    limit = 0 if part and want.most_bytes < ROUND_BYTES else want.limit - len(part)
    return Want(limit, want.terms, want.unsettled + len(part), want.most_bytes)


def serve(tx: Transaction, queue_id: int) -> Handout:
    """Hand ready messages round among all who have room, and say what is left. Raises NotFound.

    They reach their takers as what a publish hands over does, in the order of the transaction's verbs, and the room that
    was not needed is free again for the next verb: a publish in the same commit is handed over, too.
    """
    if tx.handover is None:
        return Handout([])
    reserved = list(tx.handover.reserve_all(queue_id))
    wants = [
        Want(n, Terms(taker.holder, taker.lease, taker.acknowledge), taker.unsettled - n, taker.most_bytes or ROUND_BYTES)
        for taker, n in reserved
    ]
    try:
        parts, rest = lease_round(tx, queue_id, wants) if wants else ([], Handout([], more=True))
    except BaseException:
        tx.handover.cancel(reserved)
        raise
    tx.handover.cancel([(taker, n - len(part)) for (taker, n), part in zip(reserved, parts, strict=True)])
    tx.outcome.handed += [(taker, part) for (taker, _), part in zip(reserved, parts, strict=True) if part]
    readiness.tell(tx, queue_id, idle=bool(wants) and not (rest.more or rest.alone or rest.paused))
    return rest


def source_of(tx: Transaction, queue: str | int) -> tuple[Definition, int | None]:
    """A queue by name, or a shared group's by its queue's id, and the stream that feeds it. Raises NotFound."""
    source = find(tx, queue) if isinstance(queue, str) else _existing(tx, queue)
    group = tx.row(Q.group_of_queue, source.id) if source.stream is not None else None
    _, stream_id = group or (None, None)
    return source, stream_id


def _existing(tx: Transaction, queue_id: int) -> Definition:
    source = find_by_id(tx, queue_id)
    if source is None:
        raise NotFound("The group was deleted.")
    return source


def _feed(tx: Transaction, source: Definition, wants: Sequence[Want], most_bytes: int) -> tuple[list[list[Leased]], bool]:
    """Take the next records from the stream, leased; each one's share, and whether more are there."""
    group = tx.row(Q.group_of_queue, source.id)
    room = sum(want.limit for want in wants)
    if group is None or room <= 0 or most_bytes <= 0:
        return [[] for _ in wants], False
    group_id, _ = group
    taken, more = _take(tx, group_id, room, most_bytes)
    shares = allot(len(taken), [(want.unsettled, want.limit) for want in wants])
    first = sequence.take(tx, len(taken), stored=all(want.terms.acknowledge for want in wants)) if taken else 0
    records = iter(enumerate(taken, first))
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
        wanted = -(-(room - len(taken)) // left)
        batch = _records(tx, cursor, wanted)
        following = batch.next
        for record in batch.records:
            if taken and most_bytes < len(record.body):
                following = record.offset
                break
            most_bytes -= len(record.body)
            taken.append(record)
        more = more or following < cursor.partition.end
        tx.exactly(1, tx.change(Q.move_cursor, group_id, cursor.partition.id, cursor.offset, following))
    return taken, more


def _records(tx: Transaction, cursor: Cursor, wanted: int) -> Batch:
    """The next records, as many as one read has; ``next`` is behind them, and behind what retention took."""
    partition, start = cursor.partition, max(cursor.offset, cursor.partition.low)
    if wanted <= 0 or start >= partition.end:
        return Batch([], start, partition.low, partition.end)
    return reading.read(tx, partition, start, wanted)


def _adopt(tx: Transaction, source: Definition, terms: Terms, records: list[tuple[int, StoredRecord]]) -> list[Leased]:
    """The records become messages of the group's queue, leased; with no acknowledgement they are gone at once."""
    if not records:
        return []
    length = terms.lease or source.lease
    until = tx.now + seconds(length)
    rows = [_row(source, id, record, terms, until) for id, record in records]
    leased = [
        Leased.of(row, length, acknowledge=terms.acknowledge, place=(record.partition, record.offset))
        for row, (_, record) in zip(rows, records, strict=True)
    ]
    if terms.acknowledge:
        tx.change_many(QUEUES.insert, rows)
        counters.count(tx, source.id, State.LEASED, len(leased))
        tx.outcome.due(until)
    tx.outcome.event(events.DELIVERED, source.id, len(leased))
    return leased


def _row(source: Definition, id: int, r: StoredRecord, terms: Terms, until: int) -> MessageRow:
    return MessageRow(
        id, source.id, State.LEASED, PRIORITY, 1, False, until, None, r.appended_at, None, r.key, r.headers, r.content_type,
        r.binary, r.body, r.reply_to, r.correlation_id, terms.holder, None, route_of(r.partition, r.offset),
    )  # fmt: skip


def route_of(partition: int, offset: int) -> str:
    """Where a message of a shared group's queue came from, as its row has it."""
    return f"{partition}-{offset}"
