"""What must happen by itself, in small bounded steps: each verb is one turn of at most ``limit`` rows, fewer large ones.

Every verb answers how many rows it took, so that the caller comes back at once while there is a full batch. Of several writers
what is due is read unlocked, in all queues, and then acted upon queue by queue, as far as it is still so and nobody else's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

from brokerweb.core import clock
from brokerweb.core.batches import fitting
from brokerweb.core.clock import SECOND, seconds
from brokerweb.queues import contents, counters, dead_letters, holding, keys, sequence, settling
from brokerweb.queues.definitions import Definition, Q, find_by_id, take_turn
from brokerweb.queues.holding import Stand
from brokerweb.queues.messages import json_ids, parse_receipt, receipt_text
from brokerweb.queues.readiness import became_ready
from brokerweb.queues.rows import Due, Held, Waiting
from brokerweb.queues.states import State
from brokerweb.storage.reading import Reader, Reads
from brokerweb.storage.transaction import Transaction

LIMIT = 200
_PROMOTED = ("promoted",)  # in the transaction's memo; no text alone, which would be the name of a queue
SOON = SECOND // 50  # before what is due, and somebody else's for the moment, is looked at again
Row = TypeVar("Row", Due, Held, Waiting)


def _turn(rows: Sequence[Row]) -> Sequence[Row]:
    """The first of these that go into one turn, by what their bodies weigh."""
    return rows[: fitting(row.weight for row in rows)]


def _turns(
    tx: Transaction, turn: Sequence[Row], still: Callable[[Stand, Row], bool]
) -> Iterator[tuple[Definition | None, list[Row]]]:
    """What is to be done, queue by queue; None for one that was deleted. Of several writers what is ``still`` so, locked, in the
    order of the queues, so that two do not wait for each other.
    """
    if not tx.dialect.single_writer:
        turn = sorted(turn, key=attrgetter("queue_id"))
    for queue_id, group in groupby(turn, attrgetter("queue_id")):
        queue, rows = find_by_id(tx, queue_id), list(group)
        if not tx.dialect.single_writer:
            if queue is not None and queue.keyed:
                take_turn(tx, queue)
            now = holding.free(tx, queue_id, [row.id for row in rows])
            rows = [row for row in rows if row.id in now and still(now[row.id], row)]
        yield queue, rows


def promote(tx: Transaction, limit: int = LIMIT) -> int:
    """Scheduled messages that are due become ready; delayed ones of a keyed queue join the end of their key now."""
    stated = tx.rows(Q.due_stated, tx.wall, limit)
    if stated:
        tx.change_many(Q.fall_due, [(id, queue_id, at, clock.shown_since(at)) for id, queue_id, at in stated])
    return _promote(tx, _turn([Due(*row) for row in tx.rows(Q.due_scheduled, tx.now, limit)]))


def _promote(tx: Transaction, turn: Sequence[Due]) -> int:
    def due(now: Stand, _: Due) -> bool:
        return now.state == State.SCHEDULED and now.deliver_at is None and now.due_at <= tx.now

    done = 0
    for queue, messages in _turns(tx, turn, due):
        done += len(messages)
        if queue is None:
            for message in messages:
                _forget(tx, message, State.SCHEDULED)
            continue
        for message in messages:
            if not _joins(queue, message):
                continue
            state, held = keys.enter(tx, queue.id, message.key)
            position = sequence.take_one(tx)
            _promoted(tx, queue.id, state, tx.change(Q.join_key, message.id, queue.id, state, held, position))
        others = [(message.id, queue.id) for message in messages if not _joins(queue, message)]
        if others:
            _promoted(tx, queue.id, State.READY, sum(tx.change_each(Q.promote, others)))
    return done


def _joins(queue: Definition, message: Due) -> bool:
    return queue.keyed and message.key is not None and not message.holds_key


def promote_first(tx: Transaction, queue: Definition) -> None:
    """What is due takes its place before what is published now, also where the duty has yet to notice; a turn of it a commit."""
    if not tx.dialect.single_writer:
        if not tx.lasting and ("promoted", queue.id) not in tx.memo:
            tx.memo["promoted", queue.id] = True
            _promote_of(tx, queue)
    elif _PROMOTED not in tx.memo:
        tx.memo[_PROMOTED] = True
        if any(at is not None and at <= tx.now for at in tx.row(Q.next_due, tx.difference) or ()):
            promote(tx)


def _promote_of(tx: Transaction, queue: Definition) -> None:
    rows = tx.rows(Q.due_first, queue.id, tx.now, tx.wall, LIMIT)
    since = {id: clock.shown_since(stated) for id, _, _, stated, _ in rows if stated is not None}
    if since:
        tx.change_many(Q.fall_due, [(id, queue.id, stated, since[id]) for id, _, _, stated, _ in rows if id in since])
    rows.sort(key=lambda row: (since.get(row[0], row[4]), row[0]))  # as they fell due, whichever clock they waited for
    _promote(tx, [Due(id, queue.id, key, holds_key, 0) for id, key, holds_key, *_ in rows])


def _promoted(tx: Transaction, queue_id: int, state: State, n: int) -> None:
    counters.moved(tx, queue_id, State.SCHEDULED, state, n)
    if n and state is State.READY:
        became_ready(tx, queue_id)


def _forget(tx: Transaction, message: Due | Held | Waiting, state: int) -> None:
    """A deleted queue's message. Left to the sweep, it would be due again and again, and in the others' way."""
    if tx.change(Q.remove, message.id, message.queue_id, state):
        contents.forget(tx, message.queue_id, [message.id])
        tx.change(Q.forget_failures, message.queue_id, message.id)


def _held_still(now: Stand, held: Held) -> bool:
    return now.state == State.LEASED and now.attempts == held.attempts


def expire_leases(tx: Transaction, limit: int = LIMIT) -> int:
    """Leases past their deadline are failures."""

    def overdue(now: Stand, held: Held) -> bool:
        return _held_still(now, held) and now.due_at <= tx.now

    done = 0
    for queue, leases in _turns(tx, _turn([Held(*row) for row in tx.rows(Q.overdue, tx.now, limit)]), overdue):
        done += len(leases)
        for held in leases:
            if queue is not None:
                settling.lease_ran_out(tx, queue, held)
            else:
                _forget(tx, held, State.LEASED)
                tx.outcome.ended.append(receipt_text(held.queue_id, held.id, held.attempts))
    return done


def expire_messages(tx: Transaction, limit: int = LIMIT) -> int:
    """Waiting messages past their ttl are dropped, or dead where the queue says so."""

    def expired(now: Stand, message: Waiting) -> bool:
        same = (now.state, now.attempts) == (message.state, message.attempts)
        return same and now.expires_at is not None and now.expires_at <= tx.now

    turn = _turn([Waiting(*row) for row in tx.rows(Q.expired, tx.now, limit)])
    done = 0
    # The heads of keys last: a blocked message would follow its head to ready before its own turn comes here.
    for queue, messages in _turns(tx, sorted(turn, key=lambda message: message.holds_key), expired):
        done += len(messages)
        for message in messages:
            if queue is not None:
                dead_letters.expire(tx, queue, message.ending())
            else:
                _forget(tx, message, message.state)
    return done


def end_dead(tx: Transaction, limit: int = LIMIT) -> int:
    """Dead letters older than their queue's ``dead_retention`` go; how many, ``limit`` where there may be more."""
    found: list[Waiting] = []
    before: dict[int, int] = {}
    for queue_id, retention in tx.rows(Q.dead_retained):
        if len(found) < limit:
            before[queue_id] = tx.now - seconds(retention)
            found += [Waiting(*row) for row in tx.rows(Q.outlived, queue_id, before[queue_id], limit - len(found))]

    def outlived(now: Stand, message: Waiting) -> bool:
        return now.state == State.DEAD and now.due_at <= before[message.queue_id]

    turn = _turn(found)
    done = 0
    for queue, messages in _turns(tx, turn, outlived):
        done += len(messages)
        if queue is not None:
            for message in messages:
                dead_letters.discard(tx, queue, message)
    return done if len(turn) == len(found) else limit


def name_causes(tx: Transaction, limit: int = LIMIT) -> int:
    """Dead letters of before there were fingerprints have theirs; how many."""
    return dead_letters.name_causes(tx, limit)


def forget_dedup(tx: Transaction, limit: int = LIMIT) -> int:
    """Drop dedup ids past their window."""
    if tx.dialect.single_writer:
        return tx.change(Q.forget, tx.now, limit)
    past = sorted(tx.rows(Q.past_memories, tx.now, limit))
    return sum(tx.change_each(Q.forget_one, [(*row, tx.now) for row in past])) if past else 0


def orphaned_keys(reader: Reader, limit: int = LIMIT) -> list[tuple[int, str]]:
    """The safety net of keyed queues: (queue id, key) of blocked messages whose key has no head; read outside of commits."""
    return [(queue_id, key) for queue_id, key in reader.rows(Q.orphaned_keys, limit)]


def ready_orphans(tx: Transaction, orphans: Iterable[tuple[int, str]]) -> None:
    """Each of these keys gets a head, unless it has one by now."""
    for queue_id, of_queue in groupby(sorted(orphans), key=lambda orphan: orphan[0]):
        if find_by_id(tx, queue_id) is not None:
            keys.leave(tx, queue_id, [key for _, key in of_queue])


def release_sockets(tx: Transaction, limit: int = LIMIT, *, shared: bool = False) -> int:
    """At the start of the only node: leases of earlier connections are given back, without a failure. ``shared``: others may
    have begun since, and what those hold is theirs.
    """
    done = 0
    for queue, leases in _turns(tx, _turn([Held(*row) for row in tx.rows(Q.held_by_sockets, int(shared), limit)]), _held_still):
        done += len(leases)
        for held in leases:
            if queue is not None:
                settling.release(tx, queue, held)
            else:
                _forget(tx, held, State.LEASED)
    return done


def next_work(tx: Transaction) -> int | None:
    """The instant at which one of these duties next has something to do."""
    rows = tx.row(Q.next_due, tx.difference), tx.row(Q.next_overdue), tx.row(Q.next_expiry)
    at = min((at for row in rows if row for at in row if at is not None), default=None)
    return at if at is None or tx.dialect.single_writer else max(at, tx.now + SOON)


def shift_leases(tx: Transaction, by: int, since: int) -> int:
    """After a stop: leases that ran at ``since`` go on for what was left of them, whatever the wall says."""
    return tx.change(Q.shift_leases, by, since) if by > 0 else 0


def newest_instant(tx: Transaction) -> int:
    """The newest instant that was stored as the present; 0 in an empty store."""
    newest: int = tx.value(Q.newest_instant)
    return newest


def ended_of(tx: Transaction, receipts: list[str]) -> list[str]:
    """Which of these leases are over."""
    parsed = [(text, parse_receipt(text)) for text in receipts]
    return [text for text, r in parsed if r is None or tx.row(Q.held, r.message_id, r.queue_id, r.attempt, tx.now) is None]


def over(reads: Reads, receipts: Sequence[str], now: int) -> list[str]:
    """The same, for those who only read: a statement a queue."""
    held = running(reads, receipts, now)
    return [text for text in receipts if text not in held]


def running(reads: Reads, receipts: Sequence[str], now: int) -> dict[str, int]:
    """Those of these leases that are not over, and until when they run."""
    parsed = [receipt for receipt in map(parse_receipt, receipts) if receipt is not None]
    held: dict[str, int] = {}
    for queue_id in {receipt.queue_id for receipt in parsed}:
        ids = json_ids(receipt.message_id for receipt in parsed if receipt.queue_id == queue_id)
        rows = reads.rows(Q.held_among, ids, queue_id, now)
        held |= {receipt_text(queue_id, id, attempts): until for id, attempts, until in rows}
    return held
