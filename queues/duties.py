"""What must happen by itself, in small bounded steps: each verb is one turn of at most ``limit`` rows, fewer large ones.

Every verb answers how many rows it took, so that the caller comes back at once while there is a full batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from brokerweb.core import clock
from brokerweb.core.batches import fitting
from brokerweb.queues import counters, dead_letters, keys, sequence, settling
from brokerweb.queues.definitions import Q, find_by_id
from brokerweb.queues.messages import Receipt, parse_receipt
from brokerweb.queues.readiness import became_ready
from brokerweb.queues.states import State
from brokerweb.storage.reading import Reader
from brokerweb.storage.transaction import Transaction

LIMIT = 200
_PROMOTED = ("promoted",)  # in the transaction's memo; no text alone, which would be the name of a queue


def _turn(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The first of these rows that go into one turn, without their last column: what their bodies weigh."""
    return [row[:-1] for row in rows[: fitting(row[-1] for row in rows)]]


def promote(tx: Transaction, limit: int = LIMIT) -> int:
    """Scheduled messages that are due become ready; delayed ones of a keyed queue join the end of their key now."""
    done = 0
    stated = tx.rows(Q.due_stated, tx.wall, limit)
    if stated:
        tx.change_many(Q.fall_due, [(id, clock.shown_since(deliver_at)) for id, deliver_at in stated])
    for id, queue_id, key, held in _turn(tx.rows(Q.due_scheduled, tx.now, limit)):
        done += 1
        queue = find_by_id(tx, queue_id)
        if queue is None:
            _forget(tx, id)
            continue
        if queue.keyed and key is not None and not held:
            state = _join(tx, queue_id, id, key)
        else:
            tx.change(Q.promote, id)
            state = State.READY
        counters.moved(tx, queue_id, State.SCHEDULED, state)
        if state is State.READY:
            became_ready(tx, queue_id)
    return done


def promote_first(tx: Transaction) -> None:
    """What is due takes its place before what is published now, also where the duty has yet to notice; a turn of it a commit."""
    if _PROMOTED not in tx.memo:
        tx.memo[_PROMOTED] = True
        if any(at is not None and at <= tx.now for at in tx.row(Q.next_due, tx.difference) or ()):
            promote(tx)


def _forget(tx: Transaction, id: int) -> None:
    """A deleted queue's message. Left to the sweep, it would be due again and again, and in the others' way."""
    tx.change(Q.remove, id)
    tx.change(Q.forget_failures, id)


def _join(tx: Transaction, queue_id: int, id: int, key: str) -> State:
    state, held = keys.enter(tx, queue_id, key)
    tx.change(Q.join_key, id, state, held, sequence.take(tx, 1, stored=False))
    return state


def expire_leases(tx: Transaction, limit: int = LIMIT) -> int:
    """Leases past their deadline are failures."""
    done = 0
    for row in _turn(tx.rows(Q.overdue, tx.now, limit)):
        held = settling.Held(*row)
        done += 1
        queue = find_by_id(tx, held.queue_id)
        if queue is not None:
            settling.lease_ran_out(tx, queue, held)
        else:
            _forget(tx, held.id)
            tx.outcome.ended.append(str(Receipt(held.queue_id, held.id, held.attempts)))
    return done


def expire_messages(tx: Transaction, limit: int = LIMIT) -> int:
    """Waiting messages past their ttl are dropped, or dead where the queue says so."""
    done = 0
    # The heads of keys last: a blocked message would follow its head to ready before its own turn comes here.
    for id, queue_id, state, failures, attempts, key, held in sorted(
        _turn(tx.rows(Q.expired, tx.now, limit)), key=lambda row: row[6]
    ):
        done += 1
        queue = find_by_id(tx, queue_id)
        if queue is not None:
            dead_letters.expire(tx, queue, dead_letters.Body(id, state, failures, key if held else None, attempts))
        else:
            _forget(tx, id)
    return done


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


def release_sockets(tx: Transaction, limit: int = LIMIT) -> int:
    """At the start of the only node: leases of its earlier connections are given back, without a failure."""
    rows = [settling.Held(*row) for row in _turn(tx.rows(Q.held_by_sockets, limit))]
    for held in rows:
        queue = find_by_id(tx, held.queue_id)
        if queue is not None:
            settling.release(tx, queue, held)
        else:
            _forget(tx, held.id)
    return len(rows)


def next_work(tx: Transaction) -> int | None:
    """The instant at which one of these duties next has something to do."""
    rows = tx.row(Q.next_due, tx.difference), tx.row(Q.next_overdue), tx.row(Q.next_expiry)
    return min((at for row in rows if row for at in row if at is not None), default=None)


def shift_leases(tx: Transaction, by: int, since: int) -> int:
    """After a stop: leases that ran at ``since`` go on for what was left of them, whatever the wall says."""
    return tx.change(Q.shift_leases, by, since) if by > 0 else 0


def newest_instant(tx: Transaction) -> int:
    """The newest instant that was stored as the present; 0 in an empty store."""
    row = tx.row(Q.newest_instant)
    return row[0] if row else 0


def ended_of(tx: Transaction, receipts: list[str]) -> list[str]:
    """Which of these leases are over."""
    parsed = [(text, parse_receipt(text)) for text in receipts]
    return [text for text, r in parsed if r is None or tx.row(Q.held, r.message_id, r.queue_id, r.attempt, tx.now) is None]
