"""Exact counts of a queue's messages per state, written in the commit of the change."""

from __future__ import annotations

from brokerweb.queues import bounds
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction

STATES = 5
SLOTS = 16  # rows of a queue, above which they are folded: more than that have no connection that writes now
FOLDED = 50  # queues a turn
VERSIONS = 100  # of a row that a connection leaves behind before it goes on to another, where nobody may clear them away
ROWS, BITS = 512, 22  # of a connection and queue; of what a dialect calls it
_Q = Statements("brokerweb.queues", "counters.sql")


class _Changes:
    """What one transaction changed: queue id -> how many more per state."""

    def __init__(self) -> None:
        self.by_queue: dict[int, list[int]] = {}

    def flush(self, tx: Transaction) -> None:
        slot = _slot(tx)
        rows = [(queue_id, slot, *counts) for queue_id, counts in sorted(self.by_queue.items()) if any(counts)]
        if rows:
            tx.later_many(_Q.add_counts, rows)
        self.by_queue.clear()


def _slot(tx: Transaction) -> int:
    """The connection's, or the one that it has come to: each write finds its way through all versions of its row there are."""
    own = tx.dialect.slot(tx.raw)
    kept = tx.dialect.keeping(tx.raw) if bounds.needed else None
    if kept is None:
        return own
    written: int = kept.get(_Changes, 0) + 1
    kept[_Changes] = written
    return own + (written // VERSIONS % ROWS << BITS)


def count(tx: Transaction, queue_id: int, state: int, delta: int) -> None:
    """``delta`` more messages of a queue are in ``state``; only ever what a row count said."""
    if delta:
        by_queue = tx.gathered(_Changes).by_queue
        counts = by_queue.get(queue_id)
        if counts is None:
            counts = by_queue[queue_id] = [0] * STATES
        counts[state] += delta


def moved(tx: Transaction, queue_id: int, old: int, new: int, n: int = 1) -> None:
    """``n`` messages of a queue went from one state to another."""
    count(tx, queue_id, old, -n)
    count(tx, queue_id, new, n)


def counted(tx: Transaction, queue_id: int) -> list[int]:
    """The queue's messages per state as this transaction sees them, its own changes included."""
    stored = tx.row(_Q.read_counts, queue_id) or (0,) * STATES
    own = tx.gathered(_Changes).by_queue.get(queue_id) or (0,) * STATES
    return [a + b for a, b in zip(stored, own, strict=True)]


def fold(tx: Transaction, most: int = FOLDED) -> int:
    """Where connections have come and gone, their rows become one; of how many queues that was. They are never written again by
    most of those they are of, and a reader adds them all up.
    """
    found = tx.rows(_Q.many_rows, SLOTS, most)
    for (queue_id,) in found:
        tx.change(_Q.fold, queue_id)
    return len(found)
