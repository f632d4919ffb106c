"""Queues that go by themselves, and what is left of deleted ones. Both verbs belong to a duty."""

from __future__ import annotations

from brokerweb.core import clock, events
from brokerweb.storage.transaction import Transaction
from queues import counters
from queues.control import delete
from queues.definitions import Q as HOT
from queues.filters import ALL, MAX_ID
from queues.messages import Receipt
from queues.models import Queue
from queues.selection import Q, flags
from queues.states import State


def expire_idle(tx: Transaction, in_use: set[int]) -> list[str]:
    """Delete the queues that had neither consumer nor message for as long as their ``expires`` says; their names.

    ``in_use`` are those with a consumer, or with traffic that may have come and gone since the last call.
    """
    gone = []
    for queue in Queue.declared.filter(expires__isnull=False).only("id", "name", "expires", "idle_since_at"):
        since = None if queue.idle_since_at is None else clock.from_datetime(queue.idle_since_at)
        busy = queue.pk in in_use or any(counters.counted(tx, queue.pk))
        if busy or since is None:
            _note_idle(tx, queue.pk, since, None if busy else tx.now)
        elif since + clock.seconds(queue.expires or 0) <= tx.now:
            delete(tx, queue.name)
            gone.append(queue.name)
    return gone


def _note_idle(tx: Transaction, queue_id: int, known: int | None, since: int | None) -> None:
    if known != since:
        tx.change(Q.note_idle, queue_id, since)


def wait_anew(tx: Transaction) -> int:
    """At a start the idle times begin again: while nobody was there nobody could come."""
    return tx.change(Q.wait_anew, tx.now)


def sweep_deleted(tx: Transaction, limit: int = 500) -> int:
    """Remove some of what deleted queues held, at last their own rows; how many rows that were, 0 when nothing is left."""
    queue = tx.row(Q.deleted_queue)
    if queue is None:
        return 0
    queue_id = queue[0]
    return _sweep_messages(tx, queue_id, limit) or tx.change(Q.forget_dedup, queue_id, limit) or _sweep_queue(tx, queue_id)


def _sweep_messages(tx: Transaction, queue_id: int, limit: int) -> int:
    removed = 0
    for message_id, state, _ in tx.rows(Q.matching, queue_id, 0, MAX_ID, limit, None, *flags(ALL)):
        for _, _, attempts in tx.returning(Q.remove, message_id, queue_id, state, MAX_ID):
            removed += 1
            if attempts:
                tx.change(HOT.forget_failures, message_id)
            if state == State.LEASED:
                tx.outcome.ended.append(str(Receipt(queue_id, message_id, attempts)))
    return removed


def _sweep_queue(tx: Transaction, queue_id: int) -> int:
    tx.change(Q.remove_counts, queue_id)
    tx.outcome.event(events.REMOVED, queue_id)
    return tx.change(Q.remove_queue, queue_id)
