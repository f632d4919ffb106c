"""Keyed queues: one message of a key at a time, in publish order.

The head of a key (ready, leased, or backing off) has ``holds_key``; a unique index allows no second. Everyone else of the
key is blocked. Whoever ends a head calls ``leave`` in the same transaction, after the row has changed.
"""

from __future__ import annotations

from collections.abc import Iterable

from brokerweb.queues import counters
from brokerweb.queues.definitions import Q
from brokerweb.queues.readiness import became_ready
from brokerweb.queues.states import State
from brokerweb.storage.transaction import Transaction

# One who joins while the head is about to go would see it, be blocked, and not be seen by who lets the next one follow.
IN_TURN = "those who join a key and those who leave it must see each other"


def enter(tx: Transaction, queue_id: int, key: str | None) -> tuple[State, bool]:
    """(state, holds_key) of a message that joins the end of its key now; without a key it is simply ready."""
    if key is None:
        return State.READY, False
    tx.require_single_writer(IN_TURN)
    # A key without holder may still have blocked messages within this transaction; they were there first.
    if tx.row(Q.key_taken, queue_id, key) is None and tx.row(Q.next_of_key, queue_id, key) is None:
        return State.READY, True
    return State.BLOCKED, False


def leave(tx: Transaction, queue_id: int, keys: Iterable[str | None]) -> None:
    """Heads of these keys have ended or left: the next of each becomes ready. Harmless for a key that is held."""
    for key in sorted({key for key in keys if key is not None}):
        tx.require_single_writer(IN_TURN)
        if tx.change(Q.unblock, queue_id, key, tx.now):
            counters.moved(tx, queue_id, State.BLOCKED, State.READY)
            became_ready(tx, queue_id)
