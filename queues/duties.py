"""What must happen by itself, in small bounded steps: each verb is one turn of at most ``limit`` rows.

Every verb answers how many rows it took, so that the caller comes back at once while there is a full batch.
"""

from __future__ import annotations

from brokerweb.storage.transaction import Transaction
from queues import burial, keys, sequence, settling
from queues.definitions import Q, find_by_id
from queues.states import State

LIMIT = 200


def promote(tx: Transaction, limit: int = LIMIT) -> int:
    """Scheduled messages that are due become ready; delayed ones of a keyed queue join the end of their key now."""
    due = tx.rows(Q.due_scheduled, tx.now, limit)
    for id, queue_id, key, held in due:
        queue = find_by_id(tx, queue_id)
        if queue is None:
            continue
        if queue.keyed and key is not None and not held:
            state = _join(tx, queue_id, id, key)
        else:
            tx.change(Q.promote, id)
            state = State.READY
        tx.moved(queue_id, State.SCHEDULED, state)
        if state is State.READY:
            tx.outcome.ready.add(queue_id)
    return len(due)


def _join(tx: Transaction, queue_id: int, id: int, key: str) -> State:
    state, held = keys.enter(tx, queue_id, key)
    tx.change(Q.join_key, id, state, held, sequence.take(tx, 1, stored=False))
    return state


def expire_leases(tx: Transaction, limit: int = LIMIT) -> int:
    """Leases past their deadline are failures."""
    overdue = [settling.Held(*row) for row in tx.rows(Q.overdue, tx.now, limit)]
    for held in overdue:
        queue = find_by_id(tx, held.queue_id)
        if queue is not None:
            settling.lease_ran_out(tx, queue, held)
    return len(overdue)


def expire_messages(tx: Transaction, limit: int = LIMIT) -> int:
    """Waiting messages past their ttl are dropped, or dead where the queue says so."""
    expired = tx.rows(Q.expired, tx.now, limit)
    for id, queue_id, state, failures, attempts, key, held in expired:
        queue = find_by_id(tx, queue_id)
        if queue is not None:
            burial.expire(tx, queue, burial.Body(id, state, failures, key if held else None, attempts))
    return len(expired)


def forget_dedup(tx: Transaction, limit: int = LIMIT) -> int:
    """Drop dedup ids past their window."""
    return tx.change(Q.forget, tx.now, limit)


def ready_orphans(tx: Transaction, limit: int = LIMIT) -> int:
    """The net below keyed queues: a key with blocked messages and no head gets one."""
    orphans = tx.rows(Q.orphaned_keys, limit)
    for queue_id, key in orphans:
        keys.leave(tx, queue_id, [key])
    return len(orphans)


def release_sockets(tx: Transaction, limit: int = LIMIT) -> int:
    """At the start of the only node: leases of its earlier connections are given back, without a failure."""
    rows = [settling.Held(*row) for row in tx.rows(Q.held_by_sockets, limit)]
    for held in rows:
        queue = find_by_id(tx, held.queue_id)
        if queue is not None:
            settling.release(tx, queue, held)
        else:
            tx.change(Q.remove, held.id)
            tx.count(held.queue_id, State.LEASED, -1)
    return len(rows)


def next_work(tx: Transaction) -> int | None:
    """The instant at which one of these duties next has something to do."""
    instants = [row[0] for row in (tx.row(q) for q in (Q.next_due, Q.next_overdue, Q.next_expiry)) if row and row[0] is not None]
    return min(instants, default=None)


