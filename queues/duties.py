"""What must happen by itself, in small bounded steps: each verb is one turn of at most ``limit`` rows, fewer large ones.

Every verb answers how many rows it took, so that the caller comes back at once while there is a full batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from brokerweb.core import clock
from brokerweb.core.batches import fitting
from brokerweb.core.clock import seconds
from brokerweb.queues import contents, counters, dead_letters, keys, sequence, settling
from brokerweb.queues.definitions import Q, find_by_id
from brokerweb.queues.messages import parse_receipt, receipt_text
from brokerweb.queues.readiness import became_ready
from brokerweb.queues.rows import Due, Held, Waiting
from brokerweb.queues.states import State
from brokerweb.storage.reading import Reader
from brokerweb.storage.transaction import Transaction

LIMIT = 200
_PROMOTED = ("promoted",)  # in the transaction's memo; no text alone, which would be the name of a queue
Row = TypeVar("Row", Due, Held, Waiting)


def _turn(rows: Sequence[Row]) -> Sequence[Row]:
    """The first of these that go into one turn, by what their bodies weigh."""
    return rows[: fitting(row.weight for row in rows)]


def promote(tx: Transaction, limit: int = LIMIT) -> int:
    """Scheduled messages that are due become ready; delayed ones of a keyed queue join the end of their key now."""
    stated = tx.rows(Q.due_stated, tx.wall, limit)
    if stated:
        tx.change_many(Q.fall_due, [(id, clock.shown_since(deliver_at)) for id, deliver_at in stated])
    turn = _turn([Due(*row) for row in tx.rows(Q.due_scheduled, tx.now, limit)])
    for message in turn:
        queue = find_by_id(tx, message.queue_id)
        if queue is None:
            _forget(tx, message.id, State.SCHEDULED)
        elif queue.keyed and message.key is not None and not message.holds_key:
            state, held = keys.enter(tx, queue.id, message.key)
            position = sequence.take(tx, 1, stored=False)
            _promoted(tx, queue.id, state, tx.change(Q.join_key, message.id, state, held, position))
        else:
            _promoted(tx, queue.id, State.READY, tx.change(Q.promote, message.id))
    return len(turn)


def promote_first(tx: Transaction) -> None:
    """What is due takes its place before what is published now, also where the duty has yet to notice; a turn of it a commit."""
    if _PROMOTED not in tx.memo:
        tx.memo[_PROMOTED] = True
        if any(at is not None and at <= tx.now for at in tx.row(Q.next_due, tx.difference) or ()):
            promote(tx)


def _promoted(tx: Transaction, queue_id: int, state: State, n: int) -> None:
    counters.moved(tx, queue_id, State.SCHEDULED, state, n)
    if n and state is State.READY:
        became_ready(tx, queue_id)


def _forget(tx: Transaction, id: int, state: int) -> None:
    """A deleted queue's message. Left to the sweep, it would be due again and again, and in the others' way."""
    if tx.change(Q.remove, id, state):
        contents.forget(tx, [id])
        tx.change(Q.forget_failures, id)


def expire_leases(tx: Transaction, limit: int = LIMIT) -> int:
    """Leases past their deadline are failures."""
    turn = _turn([Held(*row) for row in tx.rows(Q.overdue, tx.now, limit)])
    for held in turn:
        queue = find_by_id(tx, held.queue_id)
        if queue is not None:
            settling.lease_ran_out(tx, queue, held)
        else:
            _forget(tx, held.id, State.LEASED)
            tx.outcome.ended.append(receipt_text(held.queue_id, held.id, held.attempts))
    return len(turn)


def expire_messages(tx: Transaction, limit: int = LIMIT) -> int:
    """Waiting messages past their ttl are dropped, or dead where the queue says so."""
    turn = _turn([Waiting(*row) for row in tx.rows(Q.expired, tx.now, limit)])
    # The heads of keys last: a blocked message would follow its head to ready before its own turn comes here.
    for message in sorted(turn, key=lambda message: message.holds_key):
        queue = find_by_id(tx, message.queue_id)
        if queue is not None:
            dead_letters.expire(tx, queue, message.ending())
        else:
            _forget(tx, message.id, message.state)
    return len(turn)


def end_dead(tx: Transaction, limit: int = LIMIT) -> int:
    """Dead letters older than their queue's ``dead_retention`` go; how many, ``limit`` where there may be more."""
    found: list[Waiting] = []
    for queue_id, retention in tx.rows(Q.dead_retained):
        if len(found) < limit:
            before = tx.now - seconds(retention)
            found += [Waiting(*row) for row in tx.rows(Q.outlived, queue_id, before, limit - len(found))]
    turn = _turn(found)
    for message in turn:
        queue = find_by_id(tx, message.queue_id)
        if queue is not None:
            dead_letters.discard(tx, queue, message)
    return len(turn) if len(turn) == len(found) else limit


def name_causes(tx: Transaction, limit: int = LIMIT) -> int:
    """Dead letters of before there were fingerprints have theirs; how many."""
    return dead_letters.name_causes(tx, limit)


def forget_dedup(tx: Transaction, limit: int = LIMIT) -> int:
    """Drop dedup ids past their window."""
    return tx.change(Q.forget, tx.now, limit)


def orphaned_keys(reader: Reader, limit: int = LIMIT) -> list[tuple[int, str]]:
    """The safety net of keyed queues: (queue id, key) of blocked messages whose key has no head; read outside of commits."""
    return [(queue_id, key) for queue_id, key in reader.rows(Q.orphaned_keys, limit)]


def ready_orphans(tx: Transaction, orphans: Iterable[tuple[int, str]]) -> None:
    """Each of these keys gets a head, unless it has one by now."""
    for queue_id, key in orphans:
        keys.leave(tx, queue_id, [key])


def release_sockets(tx: Transaction, limit: int = LIMIT, *, shared: bool = False) -> int:
    """At the start of the only node: leases of earlier connections are given back, without a failure. ``shared``: others may
    have begun since, and what those hold is theirs.
    """
    turn = _turn([Held(*row) for row in tx.rows(Q.held_by_sockets, int(shared), limit)])
    for held in turn:
        queue = find_by_id(tx, held.queue_id)
        if queue is not None:
            settling.release(tx, queue, held)
        else:
            _forget(tx, held.id, State.LEASED)
    return len(turn)


def next_work(tx: Transaction) -> int | None:
    """The instant at which one of these duties next has something to do."""
    rows = tx.row(Q.next_due, tx.difference), tx.row(Q.next_overdue), tx.row(Q.next_expiry)
    return min((at for row in rows if row for at in row if at is not None), default=None)


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
